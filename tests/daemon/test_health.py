"""The health check answers 503 while no processor works or the store takes no files, and 200 afterwards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from imaged.config.model import RenderSettings
from imaged.core.activity import Activity
from imaged.core.errors import BusyError, NoWorkerError, OutOfTimeError
from imaged.daemon.health import PROBE_EVERY_S, Health
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.pipeline.store_health import StoreHealth
from imaged.store.local import LocalStore
from imaged.testing.fakes import NoThreads, StillProcessor, run_at_once
from imaged.workers.engine import Engine
from imaged.workers.processors import Processors
from imaged.workers.tasks import Tasks
from imaged.workers.thread_workers import ThreadWorkers


class Stuck(NoThreads):
    """Two threads, of which `stuck` are held too long."""

    stuck = 0

    def held_for(self, _longer_than_s: float) -> int:
        """Return the number of stuck threads."""
        return self.stuck


def make_rendering(folder: Path, *processors: StillProcessor, run: Any = run_at_once) -> Any:
    """Return an engine with these processors, and a store; `run` runs the trials."""
    threads: Any = Stuck(2)
    checked = [CheckedProcessor("still", processor) for processor in processors]
    render, clock = RenderSettings(timeout_s=1, maximum_pixels=100), Clock()
    workers = ThreadWorkers(Processors(checked, render.maximum_pixels), threads, run, render.timeout_s)
    tasks = Tasks()
    engine = Engine(clock, render, workers, tasks, Activity(clock.seconds), verifies=False)
    return SimpleNamespace(engine=engine, store=LocalStore(folder, [3, 3]), tasks=tasks)


@pytest.fixture
def processor() -> StillProcessor:
    """Return a processor that a test controls."""
    return StillProcessor()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test advances."""
    return Clock()


@pytest.fixture
def rendering(processor: StillProcessor, tmp_path: Path) -> Any:
    """Return an engine with that processor, and a store."""
    return make_rendering(tmp_path, processor)


@pytest.fixture
def health(rendering: Any, clock: Clock) -> Health:
    """Return a health check of them."""
    return Health(run_at_once, lambda: rendering, StoreHealth(clock.seconds), clock.seconds)


def test_a_processor_that_works_is_ok(health: Health, processor: StillProcessor) -> None:
    """Each trial renders one pixel."""
    health.probe()
    assert (health.message, len(processor.jobs)) == ("OK", 1)


def test_no_processor_works(health: Health, processor: StillProcessor) -> None:
    """A processor that fails on a good picture is reported until it works again."""
    processor.failure = ValueError("no paint")
    health.probe()
    assert health.message == "no processor works"
    processor.failure = None
    health.probe()
    assert health.message == "OK"


def test_a_busy_processor_works(health: Health, processor: StillProcessor) -> None:
    """A processor that is out of memory for a moment is not a fault."""
    processor.failure = BusyError("not now")
    health.probe()
    assert health.message == "OK"


def test_a_processor_that_hangs(health: Health, processor: StillProcessor) -> None:
    """A worker process that does not end a trial of one pixel is killed; renders for clients would end so, too."""
    processor.failure = OutOfTimeError("it took ten seconds")
    health.probe()
    assert health.message == "no processor works"


def test_no_worker_process(health: Health, processor: StillProcessor) -> None:
    """A lack of worker processes is reported until one does the trial."""
    processor.failure = NoWorkerError("none in ten seconds")
    health.probe()
    assert health.message == "no worker process can be started"
    processor.failure = None
    health.probe()
    assert health.message == "OK"


def test_temporary_folder(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the system's temporary folder is not one of imaged: no render uses it."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    health.probe()
    assert health.message == "OK"


def test_the_store_takes_no_files(health: Health, tmp_path: Path) -> None:
    """A store that takes no files is reported until it takes them again: posts and new outputs would fail."""
    (tmp_path / ".incoming").write_bytes(b"")  # in place of the folder of incoming files
    health.probe()
    assert health.message == "the store takes no files"
    (tmp_path / ".incoming").unlink()
    health.probe()
    assert health.message == "OK"


def test_a_trial_that_hangs(tmp_path: Path, clock: Clock) -> None:
    """Worker threads that hang, as on a dead NFS, are reported until they return; meanwhile no trial is added."""
    trials: list[Deferred[Any]] = []

    def run(function: Any, *args: Any) -> Any:
        if not trials:
            trials.append(Deferred())
            return trials[0]
        return run_at_once(function, *args)

    rendering = make_rendering(tmp_path, StillProcessor())
    health = Health(run, lambda: rendering, StoreHealth(clock.seconds), clock.seconds)  # type: ignore[arg-type]
    with capturedLogs() as logged:
        for _ in range(10):
            health.probe()
            clock.advance(PROBE_EVERY_S)
        assert health.message == "the store or the worker threads hang"
        assert not rendering.store.incoming.folder.exists()
        trials[0].callback(rendering.store.try_places())
    assert health.message == "OK"
    told, over = (formatEvent(event) for event in logged)
    assert told.startswith("the store or the worker threads hang, so the health check answers 503: a trial")
    assert str(tmp_path) in told
    assert over.endswith("the fault was: the store or the worker threads hang")


def test_a_generation_stays_open_until_its_trial_has_ended(tmp_path: Path, clock: Clock) -> None:
    """A stop in the middle of a trial waits for it, and so no file of it stays in the store."""
    halves: list[tuple[Deferred[Any], Any, Any]] = []

    def run(function: Any, *args: Any) -> Any:
        halves.append((Deferred(), function, args))
        return halves[-1][0]

    rendering = make_rendering(tmp_path, StillProcessor())
    health = Health(run, lambda: rendering, StoreHealth(clock.seconds), clock.seconds)  # type: ignore[arg-type]
    health.probe()
    drained = Deferred.fromCoroutine(rendering.tasks.drained())
    for step in range(2):  # it tries the store, then writes the picture to render
        waiting, function, args = halves[step]
        result = function(*args)
        assert not drained.called
        waiting.callback(result)
    assert drained.called
    assert list(rendering.store.incoming.folder.iterdir()) == []


def test_every_render_thread_is_stuck(health: Health, rendering: Any) -> None:
    """No output can be rendered, though a trial succeeds. The fault appears and ends at once."""
    health.probe()
    for stuck, message in ((1, "OK"), (2, "every render thread is stuck"), (0, "OK")):
        rendering.engine.workers._threads.stuck = stuck
        assert health.message == message


def test_a_new_generation_is_tried_at_once(tmp_path: Path, clock: Clock) -> None:
    """After a reload the new processors are tried, even if a trial of the old ones hangs."""
    first: Deferred[None] = Deferred()
    old = make_rendering(tmp_path, StillProcessor(), run=lambda *_: first)
    current = [old]
    health = Health(run_at_once, lambda: current[0], StoreHealth(clock.seconds), clock.seconds)
    health.probe()
    clock.advance(100)
    current[0] = make_rendering(tmp_path, StillProcessor())
    health.probe()
    assert health.message == "OK"
    first.errback(ValueError("too late to count"))
    assert health.message == "OK"


def test_a_shutdown_is_reported(health: Health) -> None:
    """`draining` takes precedence over other faults."""
    health.draining = True
    assert health.message == "draining"
