"""A pipeline whose render threads are steps that a test takes, on a clock that the test advances."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from imaged.config.load import load
from imaged.core.formats import FORMATS
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.snapshot import Plugin
from imaged.fetch.exchange import Validators
from imaged.fetch.hashing_writer import digest
from imaged.fetch.sources import Fetched
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.checked_purger import CheckedPurger
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.contract_check import Metadata
from imaged.hooks.host import PluginState
from imaged.hooks.registry import HookResult, Plugins
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import JobQueue
from imaged.pipeline.build import Environment, build_pipeline
from imaged.pipeline.counters import Counters
from imaged.store.local import LocalStore
from imaged.testing.fakes import (
    MemoryPurger,
    MemoryUploader,
    NoThreads,
    RecordingSink,
    StillProcessor,
    make_host,
    run_at_once,
)
from imaged.testing.pictures import make_jpeg
from imaged.testing.waiting import wait
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.templates import Templates

PICTURE = make_jpeg()
EPOCH_S = 1_700_000_000.0
"""The time of the day when a test begins."""

IMAGE = ImageId("p", ImageHash(hashlib.md5(PICTURE).hexdigest()))


class InstantReactor(Clock):
    """The part of a reactor that rendering uses; calls from threads are made at once."""

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:  # noqa: N802  # Twisted's name
        """Call it now."""
        function(*args)


class SteppedThreads:
    """Stands in for threads: runs work at once, or at each `step` while `held`."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.held = False
        self._work: list[Callable[[], None]] = []

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Run it now, or at a later step."""
        if not self.held:
            return run_at_once(function, *args, **kwargs)
        done: Deferred[Any] = Deferred()
        self._work.append(lambda: run_at_once(function, *args, **kwargs).addBoth(done.callback))
        return done

    def step(self) -> None:
        """Run the next piece."""
        self._work.pop(0)()

    def step_last(self) -> None:
        """Run the last piece."""
        self._work.pop()()

    @property
    def waiting(self) -> int:
        """How many pieces of work wait."""
        return len(self._work)


class Sources:
    """Gives `body` to each fetch, or raises `error`; `urls` lists the fetches.

    For origins, the ETag of a body is its MD5, unless `has_validators` is False; `conditional` counts the conditions.
    """

    def __init__(self) -> None:
        self.body = PICTURE
        self.error: Exception | None = None
        self.urls: list[str] = []
        self.gate: Deferred[None] | None = None
        self.has_validators = True
        self.conditional = 0

    async def fetch_changed(self, source: Any, path: Path, _headers: Any, known: Validators, _may_follow: Any) -> Any:
        """Write the body, unless it is known."""
        self.conditional += bool(known.conditions)
        file = await self.fetch(str(source), path)
        etag = f'"{file.md5}"' if self.has_validators else ""
        return Fetched(None if etag and known.etag == etag else file, Validators(etag))

    async def fetch(self, url: str, path: Path) -> Any:
        """Write the body."""
        self.urls.append(url)
        path.write_bytes(b"half")  # noqa: ASYNC240  # a test may block
        if self.gate is not None:
            await self.gate
        if self.error is not None:
            raise self.error
        path.write_bytes(self.body)  # noqa: ASYNC240  # as above
        return digest(path)


class SinkThread(NoThreads):
    """Stands in for the thread of a sink, and never runs: the harness passes events to the sink at once."""

    def run(self, *_: Any, **__: Any) -> Any:
        """Return what never ends."""
        return Deferred()


class PipelineHarness:
    """All parts of a pipeline, in `folder`. `yaml` are the settings, `remote` says whether there is an uploader.

    `store` and `jobs` stand in the place of the local store and the queue. `places` renders run at once.
    """

    def __init__(
        self,
        folder: Path,
        yaml: str = "",
        *,
        remote: bool = True,
        uploader: MemoryUploader | None = None,
        store: LocalStore | None = None,
        jobs: Any = None,
        processor: StillProcessor | None = None,
        places: int = 1,
        purgers: Sequence[MemoryPurger] = (),
    ) -> None:
        self.reactor = InstantReactor()
        self.store = store or LocalStore(folder / "public", (3, 3))
        self.uploader = uploader or MemoryUploader()
        self.processor = processor or StillProcessor()
        self.sink = RecordingSink()
        self.threads = SteppedThreads(places)
        self.sources: Any = Sources()
        loaded = load(yaml, "imaged.yaml", ["render.isolation=thread"], environ={}, read_bytes=str.encode)
        assert not loaded.faults
        self.queue = JobQueue(folder / "state", self.reactor.seconds)
        self.queue_threads = SteppedThreads()
        self.jobs = jobs or AsyncJobQueue(self.queue, self.queue_threads.run)
        counters = Counters(self.reactor.seconds)
        self.uploads, self.processing = counters.uploads, counters.processing
        work, make_sources = self._threads(self.reactor, "work", 1), lambda *_, **__: self.sources
        self.environment = Environment(
            self.reactor, work, self.jobs, counters, PluginState(), KeyedLocks(), Templates()
        )
        self.pipeline = build_pipeline(
            loaded.settings,
            self._plugins(remote=remote, purgers=purgers),
            self.store,
            self.environment,
            make_threads=self._threads,
            make_sources=make_sources,
            jitter=lambda: 0.0,
            soon=lambda call: call(),
            now_s=lambda: EPOCH_S + self.reactor.seconds(),
        )
        self.remote = self.pipeline.remote
        self.originals, self.ingest, self.renders = (
            self.pipeline.originals,
            self.pipeline.ingest,
            self.pipeline.renders,
        )
        self.engine, self.tasks = self.pipeline.engine, self.pipeline.tasks
        (runner,) = self.pipeline.metrics._runners
        runner.record = self.sink.record  # type: ignore[method-assign]  # the sink has no thread

    def _plugins(self, *, remote: bool, purgers: Sequence[MemoryPurger]) -> Plugins:
        uploader = CheckedUploader("memory", Metadata("", "memory"), self.uploader, self.reactor)
        sink = HookResult(Plugin("recording", "metrics", "", ""), self.sink, Metadata(""), make_host())
        processors, sinks = (CheckedProcessor("still", self.processor),), {"recording": self.sink}
        checked = tuple(CheckedPurger(f"memory{number}", each, self.reactor) for number, each in enumerate(purgers))
        return Plugins(processors, FORMATS, uploader if remote else None, sinks, (sink,), purgers=checked)

    def _threads(self, reactor: Any, name: str, size: int) -> Any:  # noqa: ARG002  # the signature of Threads
        if name.startswith("metrics "):
            return SinkThread(size)
        return self.threads if name == "render" else NoThreads(size)

    def keep(self, body: bytes = PICTURE, namespace: str = "p") -> ImageId:
        """Take an original in."""
        image, _ = wait(self.ingest.from_body(namespace, [body]))
        return image

    @property
    def temporaries(self) -> list[Path]:
        """The incoming files."""
        folder = self.store.incoming.folder
        return list(folder.iterdir()) if folder.is_dir() else []

    def queued(self, kind: Any) -> list[str]:
        """Return the names of the queued files of a kind."""
        rows = self.queue._db.execute("SELECT output FROM jobs WHERE kind = ? ORDER BY id", (kind,))
        return [name for (name,) in rows]
