"""The figures of the status port, taken at one moment: the shape of `/status.json` is a promise to operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imaged.core.generations import Generation
from imaged.daemon.reload import Reload
from imaged.daemon.runtime import Runtime
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.comparison import Comparison
from imaged.jobs.queue import Depth
from imaged.logs.files import Logs
from imaged.pipeline.counters import Counters
from imaged.pipeline.remote import Remote
from imaged.profiling.stalls import StallWatch
from imaged.statuspage.alerts import find_alerts
from imaged.statuspage.history import INTERVAL_S, History
from imaged.statuspage.recent import RecentErrors
from imaged.statuspage.store_usage import StoreUsage
from imaged.store.usage import free


@dataclass(frozen=True)
class Status:
    """Takes snapshots of the current generation and of what is owed. `seconds` is a clock that never goes back."""

    version: str
    pid: int
    config: str
    seconds: Callable[[], float]
    started_s: float
    counters: Counters
    history: History
    errors: RecentErrors
    logs: Logs
    message: Callable[[], str]
    usage: StoreUsage
    last_reload: Callable[[], Reload | None]
    stalls: StallWatch

    async def snapshot(self, generation: Generation[Runtime], jobs: AsyncJobQueue) -> dict[str, Any]:
        """Return everything that `/status.json` shows."""
        renders, uploads = await jobs.depth("render"), await jobs.depth("upload")
        pipeline, counters = generation.value.pipeline, self.counters
        usage = await self.usage.now(pipeline.store.root)
        last_reload = self.last_reload()
        snapshot: dict[str, Any] = {
            "version": self.version,
            "message": self.message(),
            "pid": self.pid,
            "uptime_s": round(self.seconds() - self.started_s, 3),
            "generation": {
                "number": generation.number,
                "loaded_at": _written(generation.value.loaded_at),
                "config": self.config,
                "last_reload": last_reload and last_reload.shown(),
            },
            "requests": {
                "current": counters.requests.current,
                "total": counters.requests.total,
                "hits": counters.requests.hits,
                "rendered": counters.requests.rendered,
                "joined": counters.requests.joined,
                "refused": counters.requests.refused,
                "failed": counters.requests.failed,
                "left": counters.requests.left,
                "bytes": counters.requests.bytes,
            },
            "processing": {
                "current": counters.processing.current,
                "waiting": pipeline.pool.waiting,
                "threads": pipeline.pool.size,
                "busy": pipeline.pool.busy,
                "total": counters.processing.total,
                "failed": counters.processing.failed,
                "items": [
                    {
                        "namespace": running.item.image.namespace,
                        "hash": str(running.item.image.hash),
                        "output": str(running.item.output),
                        "elapsed_s": round(running.elapsed_s, 3),
                    }
                    for running in counters.processing.running()
                ],
            },
            "downloads": {
                "current": counters.downloads.current,
                "total": counters.downloads.total,
                "failed": counters.downloads.failed,
                "items": [
                    {"url": running.item.url, "bytes": running.item.bytes, "elapsed_s": round(running.elapsed_s, 3)}
                    for running in counters.downloads.running()
                ],
            },
            "posting": {
                "current": counters.posting.current,
                "total": counters.posting.total,
                "failed": counters.posting.failed,
            },
            "uploads": {
                "current": counters.uploads.current,
                **_owed(uploads),
                "total": counters.uploads.total,
                "failed": counters.uploads.failed,
            },
            "remote": {
                "fault": pipeline.remote.fault,
                "comparison": _compared(pipeline.remote, await jobs.comparison()),
            },
            "promised": {"current": None if renders is None else renders.running, **_owed(renders)},
            "queue": {"fault": jobs.fault, "free_bytes": _free_for_queue(Path(pipeline.settings.state_dir))},
            "rates_per_s": self.history.rates_per_s,
            "history": {"interval_s": INTERVAL_S, **self.history.points},
            "errors": [asdict(error) | {"at": _written(error.at)} for error in self.errors.newest_first],
            "metrics": [asdict(status) for status in pipeline.metrics.statuses],
            "log": self.logs.state,
            "stalls": self.stalls.shown,
            "plugins": [asdict(plugin) for plugin in generation.value.plugins.described],
            "store": {
                "path": str(pipeline.store.root),
                "bytes": usage.size_bytes,
                "files": usage.files,
                "free_bytes": free(pipeline.store.root),
            },
            "try_page": pipeline.settings.status.try_page,
        }
        return snapshot | {"alerts": [asdict(alert) for alert in find_alerts(snapshot)]}

    async def line(self, generation: Generation[Runtime], jobs: AsyncJobQueue) -> str:
        """Return the most important of it in one line, and the first fault of a reload that was refused."""
        renders, uploads = await jobs.depth("render"), await jobs.depth("upload")
        counters, last = self.counters, self.last_reload()
        owed = "the job queue cannot be read"
        if renders is not None and uploads is not None:
            owed = f"owed: {renders.queued + renders.running} renders, {uploads.queued + uploads.running} uploads"
            compared = _compared(generation.value.pipeline.remote, await jobs.comparison())
            if compared is not None and compared["unfinished"]:
                owed += f" and what the comparison with the remote store ({compared['state']}) has not found yet"
        line = (
            f"{self.message()}; generation {generation.number}; {counters.processing.current} rendering, "
            f"{generation.value.pipeline.pool.waiting} waiting, {counters.downloads.current} downloading; {owed}"
        )
        return line if last is None or last.ok else f"{line}; the last reload was refused: {last.errors[0]}"


def _owed(depth: Depth | None) -> Mapping[str, Any]:
    if depth is None:
        return {"queued": None, "parked": None, "oldest_s": None}
    oldest_s = None if depth.oldest_s is None else round(depth.oldest_s, 3)
    return {"queued": depth.queued, "parked": depth.parked, "oldest_s": oldest_s}


def _compared(remote: Remote, last: Comparison | None) -> Mapping[str, Any] | None:
    """Return how far the comparison with this remote store is, or None where there is no store."""
    if not remote.exists:
        return None
    if last is None or last.remote != remote.identity:
        return {"state": "waiting", "unfinished": True, "since": None, "images": 0, "missing": 0}
    return {
        "state": last.state,
        "unfinished": last.state != "ended",
        "since": _written(datetime.fromtimestamp(last.began_at_s, UTC)),
        "images": last.images,
        "missing": last.missing,
    }


def _free_for_queue(folder: Path) -> int | None:
    """Return the bytes free on the disk of the queue, or None where its folder is gone or cannot be seen."""
    try:
        return free(folder) if folder.is_dir() else None
    except OSError:
        return None


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
