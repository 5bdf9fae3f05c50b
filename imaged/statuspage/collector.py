"""Collects a snapshot from the counters, the queue, the store and the plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from imaged.core.activity import Activity, Running
from imaged.core.charts import Charts
from imaged.core.errors import StoreError
from imaged.core.origin_status import OriginStatus
from imaged.core.pending_jobs import Jobs, PendingErasures, PendingRenders, Uploads
from imaged.core.snapshot import (
    Comparison,
    DownloadInFlight,
    Downloads,
    GenerationStatus,
    LogStatus,
    Plugin,
    Posting,
    Processing,
    QueueStatus,
    RemoteStatus,
    RenderInFlight,
    Requests,
    Snapshot,
    StoreStatus,
)
from imaged.fetch.hashing_writer import Download
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.comparison import RecordedComparison
from imaged.jobs.queue import Depth
from imaged.pipeline.counters import Counters
from imaged.pipeline.erasures import Erasures
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.remote import Remote
from imaged.profiling.stalls import StallWatch
from imaged.statuspage.alerts import find_alerts
from imaged.statuspage.history import INTERVAL_S, History, hit_ratio
from imaged.statuspage.recent import RecentErrors
from imaged.statuspage.store_usage import StoreUsage
from imaged.store.usage import Usage, free
from imaged.workers.render_jobs import ImageOutput


@dataclass(frozen=True)
class Collector:
    """Takes snapshots of one process. `seconds` is a monotonic clock. Reactor thread only."""

    version: str
    pid: int
    seconds: Callable[[], float]
    started_s: float
    counters: Counters
    history: History
    errors: RecentErrors
    log: Callable[[], LogStatus]
    erasures: Erasures
    message: Callable[[], str]
    usage: StoreUsage
    stalls: StallWatch

    async def collect(
        self,
        generation: GenerationStatus,
        plugins: Sequence[Plugin],
        pipelines: Sequence[Pipeline],
        jobs: AsyncJobQueue,
    ) -> Snapshot:
        """Return the state of the process, with the generation and the plugins in effect.

        The first of the `pipelines` is in effect; the others still have requests.
        """
        pipeline = pipelines[0]
        renders, uploads = await jobs.depth("render"), await jobs.depth("upload")
        erasures = _with_failed(await jobs.depth("erase"), await jobs.depth("purge"))
        counters, engine = self.counters, pipeline.engine
        root = pipeline.store.root
        usage = await self.usage.now(root)
        snapshot = Snapshot(
            version=self.version,
            message=self.message(),
            pid=self.pid,
            uptime_s=round(self.seconds() - self.started_s, 3),
            generation=generation,
            requests=Requests(**vars(counters.requests)),
            limits=dict(counters.limits),
            processing=Processing(
                current=counters.processing.current,
                waiting=engine.admission.waiting,
                threads=engine.admission.size,
                busy=engine.admission.busy,
                total=counters.processing.total,
                failed=counters.processing.failed,
                items=tuple(map(_render, counters.processing.running())),
                isolation=engine.workers.isolation,
                workers=tuple(worker for each in pipelines for worker in each.engine.workers.statuses()),
                workers_fault=engine.workers.fault,
                worker_deaths=dict(counters.worker_deaths.by_cause),
                recent_deaths=counters.worker_deaths.recent,
                refused_pictures=engine.workers.refused_pictures,
            ),
            downloads=_downloads(counters.downloads),
            posting=Posting(counters.posting.current, counters.posting.total, counters.posting.failed),
            uploads=Uploads(counters.uploads.current, _jobs(uploads), counters.uploads.total, counters.uploads.failed),
            remote=RemoteStatus(pipeline.remote.fault, compare(pipeline.remote, await jobs.comparison())),
            origins=tuple(OriginStatus(name, **vars(counters.origins.of(name))) for name in pipeline.settings.origins),
            pending_renders=PendingRenders(None if renders is None else renders.running, _jobs(renders)),
            erasures=PendingErasures(
                None if erasures is None else erasures.running, _jobs(erasures), self.erasures.total
            ),
            queue=QueueStatus(jobs.fault, _free_for_queue(Path(pipeline.settings.state_dir)), jobs.disk_is_full),
            hit_ratio=hit_ratio(counters.totals(), self.history.points),
            rates_per_s=self.history.rates_per_s,
            history=Charts(INTERVAL_S, self.history.points),
            errors=tuple(self.errors.newest_first),
            metrics=tuple(pipeline.metrics.statuses),
            log=self.log(),
            stalls=self.stalls.status,
            plugins=tuple(plugins),
            store=_store(root, usage, counters),
            try_page=pipeline.settings.status.try_page,
        )
        return replace(snapshot, alerts=tuple(find_alerts(snapshot)))


def _store(root: Path, usage: Usage, counters: Counters) -> StoreStatus:
    saves, bound = counters.saves, counters.bound
    return StoreStatus(
        path=str(root),
        bytes=usage.size_bytes,
        files=usage.files,
        free_bytes=_free(root),
        fault=str(saves.error or "") or saves.fault,
        is_full=saves.is_full,
        is_read_only=saves.is_read_only,
        occupied_bytes=bound.size.total_bytes,
        maximum_bytes=bound.maximum_bytes,
        keep_free_bytes=bound.keep_free_bytes,
        forgotten_files=bound.forgotten_files,
        forgotten_bytes=bound.forgotten_bytes,
        refused_saves=bound.refused_saves,
        bound_fault=bound.fault,
    )


def compare(remote: Remote, last: RecordedComparison | None) -> Comparison | None:
    """Return the state of the comparison with `remote`, or None where no remote store is set."""
    if not remote.exists:
        return None
    if last is None or last.remote != remote.identity:
        return Comparison("waiting", unfinished=True, since=None, images=0, missing=0)
    since = datetime.fromtimestamp(last.began_at_s, UTC)
    return Comparison(last.state, last.state != "ended", since, last.images, last.missing)


def _render(each: Running[ImageOutput]) -> RenderInFlight:
    image, output = each.item.image, each.item.output
    return RenderInFlight(image.namespace, str(image.hash), str(output), each.elapsed_s)


def _downloads(activity: Activity[Download]) -> Downloads:
    items = (DownloadInFlight(each.item.url, each.item.bytes, each.elapsed_s) for each in activity.running())
    return Downloads(activity.current, activity.total, activity.failed, tuple(items))


def _with_failed(erasures: Depth | None, purges: Depth | None) -> Depth | None:
    """Count purges of caches that have failed for good as erasures; one that waits may be the second of a picture."""
    return replace(erasures, failed=erasures.failed + purges.failed) if erasures and purges else erasures


def _jobs(depth: Depth | None) -> Jobs:
    if depth is None:
        return Jobs(None, None, None)
    return Jobs(depth.queued, depth.failed, None if depth.oldest_s is None else round(depth.oldest_s, 3))


def _free_for_queue(folder: Path) -> int | None:
    """Return the free bytes on the disk of the queue, or None where its folder is missing or unreadable."""
    try:
        return _free(folder) if folder.is_dir() else None
    except OSError:
        return None


def _free(folder: Path) -> int | None:
    """Return the free bytes on a disk, or None where it cannot be read: the status matters most then."""
    try:
        return free(folder)
    except StoreError:
        return None
