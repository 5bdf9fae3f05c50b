"""A pipeline whose threads are steps that a test takes, on a clock that stands still."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from imaged.config.load import load
from imaged.core.activity import Activity
from imaged.core.hashes import ImageHash, ImageId
from imaged.fetch.received_file import digest
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.metrics import Metrics
from imaged.hooks.sink_runner import SinkRunner
from imaged.hooks.soundness import Traits
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import JobQueue
from imaged.pipeline.ingest import Ingest
from imaged.pipeline.originals import Originals
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_originals import RemoteOriginals
from imaged.pipeline.rendering import Renderer
from imaged.pipeline.renders import Renders, Wanted
from imaged.store.local import LocalStore
from imaged.testing.fakes import MemoryUploader, NoThreads, RecordingSink, StillProcessor, run_at_once
from imaged.testing.pictures import make_jpeg
from imaged.testing.waiting import wait
from imaged.workers.admission import RenderPool
from imaged.workers.keyed_locks import KeyedLocks
from imaged.workers.single_flight import SingleFlight
from imaged.workers.tasks import Tasks

PICTURE = make_jpeg()
IMAGE = ImageId("p", ImageHash(hashlib.md5(PICTURE).hexdigest()))


class InstantReactor(Clock):
    """As much of a reactor as rendering uses; what comes from a thread comes at once."""

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:  # noqa: N802  # Twisted's name
        """Call it now."""
        function(*args)


class Steps:
    """Threads without threads: while `held`, work waits until `step` does the next piece of it."""

    size = 1

    def __init__(self) -> None:
        self.held = False
        self._work: list[Callable[[], None]] = []

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Do it now, or later."""
        if not self.held:
            return run_at_once(function, *args, **kwargs)
        done: Deferred[Any] = Deferred()
        self._work.append(lambda: run_at_once(function, *args, **kwargs).addBoth(done.callback))
        return done

    def step(self) -> None:
        """Do the next piece."""
        self._work.pop(0)()

    @property
    def waiting(self) -> int:
        """How many pieces wait for a step."""
        return len(self._work)


class Sources:
    """Gives `body` to whoever fetches, or raises `error`; what is asked is in `urls`."""

    def __init__(self) -> None:
        self.body = PICTURE
        self.error: Exception | None = None
        self.urls: list[str] = []
        self.gate: Deferred[None] | None = None

    async def fetch(self, url: str, path: Path) -> Any:
        """Write the body."""
        self.urls.append(url)
        path.write_bytes(b"half")  # noqa: ASYNC240  # a test waits for nobody
        if self.gate is not None:
            await self.gate
        if self.error is not None:
            raise self.error
        path.write_bytes(self.body)  # noqa: ASYNC240  # as above
        return digest(path)


def feed(sink: RecordingSink, clock: Any) -> SinkRunner:
    """Return a feed that tells its sink at once."""
    made = SinkRunner("recording", sink, clock, NoThreads())
    made.offer = sink.record  # type: ignore[method-assign]  # events wait for a moment that never comes on a still clock
    return made


class PipelineHarness:
    """All parts of a pipeline, in `folder`. `yaml` are the settings, `remote` says whether there is an uploader.

    `store` and `jobs` stand in the place of the local store and the queue.
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
    ) -> None:
        self.reactor = InstantReactor()
        self.store = store or LocalStore(folder / "public", (3, 3))
        self.uploader = uploader or MemoryUploader()
        self.processor = processor or StillProcessor()
        self.sink = RecordingSink()
        self.threads = Steps()
        self.sources: Any = Sources()
        self.tasks = Tasks()
        loaded = load(yaml, "imaged.yaml", environ={}, read_text=str)
        assert not loaded.faults
        settings, reactor = loaded.settings, self.reactor
        metrics = Metrics([feed(self.sink, reactor)])
        self.queue = JobQueue(folder / "state", reactor.seconds)
        self.jobs = jobs or AsyncJobQueue(self.queue, run_at_once)
        self.uploads: Activity[str] = Activity(reactor.seconds)
        self.renders: Activity[Wanted] = Activity(reactor.seconds)
        self.locks = KeyedLocks()
        self.remote = Remote(
            CheckedUploader("memory", Traits("", "memory"), self.uploader, reactor) if remote else None,
            "memory",
            None,
            settings.remote.base_path,
            self.store,
            concurrency=settings.upload.concurrency,
            timeout_s=settings.upload.timeout_s,
            clock=reactor,
            jitter=lambda: 0.0,
            locks=self.locks,
            tasks=self.tasks,
            activity=self.uploads,
            metrics=metrics,
        )
        self.remote_originals = RemoteOriginals(self.remote, settings.remote.base_url, lambda: self.sources)
        checked = CheckedProcessor("still", self.processor)
        renderer = Renderer([checked], self.store, settings.render.timeout_s, settings.render.maximum_pixels)
        threads: Any = self.threads
        self.pool = RenderPool(threads, settings.render.queue, reactor)
        self.originals = Originals(
            self.store,
            renderer,
            self.remote,
            self.remote_originals,
            self.jobs,
            run_at_once,
            self.pool,
            self.tasks,
            metrics,
            self.locks,
        )
        maximum_bytes = settings.sources.maximum_bytes
        self.ingest = Ingest(
            self.store, self.originals, self.sources, maximum_bytes, run_at_once, self.tasks, metrics, reactor.seconds
        )
        self.produce = Renders(
            reactor=reactor,
            settings=settings,
            store=self.store,
            originals=self.originals,
            remote=self.remote,
            renderer=renderer,
            pool=self.pool,
            jobs=self.jobs,
            tasks=self.tasks,
            flights=SingleFlight(self.tasks),
            activity=self.renders,
            metrics=metrics,
        )

        self.pipeline = Pipeline(
            settings,
            self.store,
            self.originals,
            self.ingest,
            self.produce,
            self.remote,
            self.pool,
            self.jobs,
            metrics,
        )

    def keep(self, body: bytes = PICTURE, namespace: str = "p") -> ImageId:
        """Take an original in."""
        image, _ = wait(self.ingest.from_body(namespace, [body]))
        return image

    @property
    def temporaries(self) -> list[Path]:
        """What has come in and has no name yet."""
        folder = self.store.incoming.folder
        return list(folder.iterdir()) if folder.is_dir() else []

    def owed(self, kind: Any) -> list[str]:
        """Return what the queue owes, by name."""
        rows = self.queue._db.execute("SELECT output FROM jobs WHERE kind = ? ORDER BY id", (kind,))
        return [name for (name,) in rows]
