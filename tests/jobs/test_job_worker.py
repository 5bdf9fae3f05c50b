"""Workers run queued jobs, try again those that may still succeed, and survive every error."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from imaged.core.errors import (
    BusyError,
    ImagedError,
    NotAPictureError,
    OutOfTimeError,
    StoreError,
    StoreUnavailableError,
)
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output, parse
from imaged.jobs.admin import administer
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.job_worker import BACKOFF, LONGEST_PAUSE_S, JobWorker
from imaged.jobs.queue import Depth, JobQueue

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
DOG = ImageId("p", ImageHash("0" * 32))
FOX = ImageId("p", ImageHash("1" * 32))
A, B, C = map(parse, ("x1.jpg", "x2.jpg", "x3.jpg"))
BUSY = BusyError("the remote store is down")
BROKEN = NotAPictureError("a broken picture")
NOTHING = Depth(queued=0, running=0, failed=0, oldest_s=None)


class WorkerHarness:
    """A worker on a real queue, with the reactor's clock and threads replaced by a Clock and by none.

    `ends` says how an output ends, `gates` hold an image's work until they fire, `breaks` says which call of the queue
    the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.folder = folder
        self.queue = JobQueue(folder, self.clock.seconds)
        self.concurrency = 1
        self.ends: dict[ImageFile, ImagedError | None] = {}
        self.gates: dict[ImageId, Deferred[None]] = {}
        self.breaks: Callable[..., bool] = lambda *_: False
        self.runs: list[tuple[ImageId, list[ImageFile]]] = []
        jobs = AsyncJobQueue(self.queue, self.run)  # type: ignore[arg-type]
        self.worker = JobWorker("render", jobs, self.clock, lambda: 0.0, lambda: self.concurrency, self.run_jobs)

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call the function now, or refuse as a broken disk does."""
        if self.breaks(function.__name__, *args):
            return fail(sqlite3.OperationalError("disk I/O error"))
        return execute(function, *args, **kwargs)

    async def run_jobs(self, image: ImageId, files: Sequence[ImageFile]) -> dict[ImageFile, ImagedError | None]:
        """Record the call, wait at the gate, and return the results that the test sets."""
        self.runs.append((image, list(files)))
        if image in self.gates:
            await self.gates[image]
        return {file: self.ends.get(file) for file in files}

    def enqueue(self, image: ImageId, *outputs: Output) -> None:
        """Queue renders without waking the worker."""
        self.queue.add("render", image, outputs)

    @property
    def depth(self) -> Depth:
        """The numbers of queued renders."""
        return self.queue.depth("render")

    def count_runs(self, output: Output) -> int:
        """Count how often an output was tried."""
        return sum(output in outputs for _, outputs in self.runs)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WorkerHarness]:
    """Return a harness whose worker has not started."""
    harness = WorkerHarness(tmp_path)
    yield harness
    harness.queue.close()


def stopping(harness: WorkerHarness) -> Deferred[None]:
    """Ask the worker to stop."""
    return Deferred.fromCoroutine(harness.worker.stop())


def test_queued_jobs_run_and_are_removed(harness: WorkerHarness) -> None:
    """All outputs of an image run together, image after image."""
    harness.enqueue(CAT, A, B)
    harness.enqueue(DOG, C)
    harness.worker.start()
    assert harness.runs == [(CAT, [A, B]), (DOG, [C])]
    assert harness.depth == NOTHING


def test_transient_errors_are_tried_again_later(harness: WorkerHarness) -> None:
    """A job with a transient error waits for its backoff; the other jobs of the image do not run again."""
    harness.enqueue(CAT, A, B)
    harness.ends[A] = BUSY
    harness.worker.start()
    harness.clock.advance(0.49)
    assert len(harness.runs) == 1
    harness.ends[A] = None
    harness.clock.advance(0.01)
    assert harness.runs == [(CAT, [A, B]), (CAT, [A])]
    assert harness.depth == NOTHING


def test_jobs_that_run_out_of_time_are_tried_three_times(harness: WorkerHarness) -> None:
    """A render that runs out of time fails for good after three attempts, minutes apart: each may block a thread."""
    harness.enqueue(CAT, A)
    harness.ends[A] = OutOfTimeError("rendering took longer than 30 s")
    harness.worker.start()
    harness.clock.advance(29)
    assert len(harness.runs) == 1
    harness.clock.pump([60.0] * 60)
    assert len(harness.runs) == 3
    assert (harness.depth.failed, harness.depth.queued) == (1, 0)


def test_an_outage_of_half_an_hour_parks_nothing(harness: WorkerHarness) -> None:
    """When the remote store returns after thirty minutes, the queued jobs run by themselves."""
    harness.enqueue(CAT, A)
    harness.ends[A] = BUSY
    harness.worker.start()
    harness.clock.pump([LONGEST_PAUSE_S] * 360)
    assert harness.depth.failed == 0
    harness.ends[A] = None
    harness.clock.pump([LONGEST_PAUSE_S] * 60)
    assert harness.depth == NOTHING


def test_attempts_come_to_an_end(harness: WorkerHarness) -> None:
    """A job fails for good after the last attempt of its backoff."""
    harness.enqueue(CAT, A)
    harness.ends[A] = BUSY
    harness.worker.start()
    harness.clock.pump([60.0] * 200)
    assert len(harness.runs) == BACKOFF.attempts
    assert (harness.depth.failed, harness.depth.queued) == (1, 0)


def test_a_store_that_is_away_costs_no_attempts(harness: WorkerHarness) -> None:
    """While the store is away, no job fails for good; a job that then fails by itself has all its attempts left."""
    harness.enqueue(CAT, A)
    harness.ends[A] = StoreUnavailableError("out of reach")
    harness.worker.start()
    with capturedLogs() as events:
        harness.clock.pump([60.0] * 200)
    assert len(harness.runs) > BACKOFF.attempts
    assert (harness.depth.failed, harness.depth.queued) == (0, 1)
    assert events == []  # who knows of the store tells of it once
    before = len(harness.runs)
    harness.ends[A] = StoreError("this key is refused")
    harness.clock.pump([60.0] * 200)
    assert len(harness.runs) - before == BACKOFF.attempts
    assert (harness.depth.failed, harness.depth.queued) == (1, 0)


def test_a_store_that_is_back_gets_the_queued_uploads(harness: WorkerHarness) -> None:
    """Jobs run again within seconds of the store's return, each by itself."""
    harness.enqueue(CAT, A, B)
    harness.ends[A] = StoreUnavailableError("out of reach")
    harness.worker.start()
    harness.clock.pump([1.0] * 100)
    assert harness.count_runs(B) == 1
    harness.ends[A] = None
    harness.clock.pump([1.0] * 3)
    assert harness.depth == NOTHING


def test_a_broken_picture_fails_at_once(harness: WorkerHarness) -> None:
    """A broken picture is tried once, and its state is failed."""
    harness.enqueue(CAT, A, B)
    harness.ends[A] = BROKEN
    harness.worker.start()
    harness.clock.pump([LONGEST_PAUSE_S] * 10)
    assert harness.runs == [(CAT, [A, B])]
    assert harness.queue.states(CAT) == {A: "failed"}


def test_a_retried_job_runs_within_seconds(harness: WorkerHarness) -> None:
    """The worker finds jobs that an operator's process has queued again."""
    harness.enqueue(CAT, A)
    harness.ends[A] = BROKEN
    harness.worker.start()
    harness.clock.pump([LONGEST_PAUSE_S] * 3)
    assert harness.depth.failed == 1
    harness.ends[A] = None
    with administer(harness.folder, harness.clock.seconds) as seen:
        assert seen.retry(None) == 1
    harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.depth == NOTHING


def test_no_more_images_run_than_concurrency_allows(harness: WorkerHarness) -> None:
    """The next image begins as soon as one has ended."""
    harness.concurrency = 2
    for image in (CAT, DOG, FOX):
        harness.gates[image] = Deferred()
        harness.enqueue(image, A)
    harness.worker.start()
    harness.clock.advance(60)
    assert [image for image, _ in harness.runs] == [CAT, DOG]
    harness.gates[DOG].callback(None)
    assert [image for image, _ in harness.runs] == [CAT, DOG, FOX]
    for image in (CAT, FOX):
        harness.gates[image].callback(None)
    assert harness.depth == NOTHING


def test_no_concurrency_claims_no_jobs(harness: WorkerHarness) -> None:
    """While clients wait for the render threads, the worker claims no queued job."""
    harness.gates[CAT] = Deferred()
    harness.enqueue(CAT, A)
    harness.enqueue(DOG, A)
    harness.worker.start()
    harness.concurrency = 0
    harness.gates[CAT].callback(None)
    look: Any
    (look,) = harness.clock.getDelayedCalls()
    assert look.getTime() == LONGEST_PAUSE_S
    harness.concurrency = 1
    harness.clock.advance(LONGEST_PAUSE_S)
    assert [image for image, _ in harness.runs] == [CAT, DOG]


def test_a_free_place_runs_due_retries(harness: WorkerHarness) -> None:
    """A long job does not delay another that becomes due."""
    harness.concurrency = 2
    harness.gates[CAT] = Deferred()
    harness.ends[B] = BUSY
    harness.enqueue(CAT, A)
    harness.enqueue(DOG, B)
    harness.worker.start()
    harness.clock.advance(0.5)
    assert harness.count_runs(B) == 2


def test_new_work_is_seen_when_the_bell_rings(harness: WorkerHarness) -> None:
    """Adding a job wakes the worker; jobs of other processes are found without that."""
    harness.worker.start()
    harness.enqueue(CAT, A)
    assert harness.runs == []
    harness.worker.wake()
    assert harness.count_runs(A) == 1
    harness.enqueue(CAT, B)
    harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.count_runs(B) == 1


def test_a_bell_that_rings_during_a_look_is_heard(harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is added during a claim does not wait for the next regular look."""
    answers: list[Deferred[Any]] = []

    def run_later(_: Callable[..., Any], *__: Any) -> Deferred[Any]:
        answers.append(Deferred())
        return answers[-1]

    monkeypatch.setattr(harness.worker.jobs, "run", run_later)
    harness.worker.start()
    monkeypatch.setattr(harness.worker.jobs, "run", harness.run)
    harness.enqueue(CAT, A)
    harness.worker.wake()
    answers[0].callback([])
    assert harness.count_runs(A) == 1


def test_the_jobs_of_an_ended_process_run(harness: WorkerHarness) -> None:
    """An idle worker takes over the jobs of ended processes."""
    other = JobQueue(harness.folder, harness.clock.seconds)
    harness.enqueue(CAT, A)
    assert other.claim("render")
    harness.worker.start()
    harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.runs == []
    other.close()
    harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.count_runs(A) == 1


def test_stopping_waits_for_running_jobs(harness: WorkerHarness) -> None:
    """Running jobs end and are recorded, and no new one begins."""
    harness.gates[CAT] = Deferred()
    harness.enqueue(CAT, A)
    harness.worker.start()
    stopped = stopping(harness)
    harness.enqueue(DOG, A)
    harness.worker.wake()
    harness.clock.advance(60)
    assert not stopped.called
    harness.gates[CAT].callback(None)
    assert stopped.called
    assert [image for image, _ in harness.runs] == [CAT]
    assert harness.depth.queued == 1
    assert harness.clock.getDelayedCalls() == []


def test_an_idle_worker_stops_at_once(harness: WorkerHarness) -> None:
    """An idle worker stops and leaves no timer."""
    harness.worker.start()
    assert stopping(harness).called
    assert harness.clock.getDelayedCalls() == []


def test_a_worker_that_was_never_started_stops_too(harness: WorkerHarness) -> None:
    """A worker that was never started can be stopped."""
    assert stopping(harness).called


def test_a_queue_that_cannot_be_read_is_tried_again(harness: WorkerHarness) -> None:
    """A full disk delays jobs, with one line in the log however long; when there is room again, they run."""
    harness.enqueue(CAT, A)
    harness.breaks = lambda *_: True
    with capturedLogs() as logged:
        harness.worker.start()
        harness.clock.pump([LONGEST_PAUSE_S] * 3)
    assert [event["log_level"] for event in logged] == [LogLevel.error]
    assert harness.runs == []
    harness.breaks = lambda *_: False
    harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.count_runs(A) == 1


def test_an_end_that_cannot_be_written_is_written_later(harness: WorkerHarness) -> None:
    """A job whose end cannot be written does not run again, and its place stays taken meanwhile."""
    harness.enqueue(CAT, A)
    harness.enqueue(DOG, B)
    harness.breaks = lambda name, *_: name == "done"
    with capturedLogs():
        harness.worker.start()
        harness.clock.pump([LONGEST_PAUSE_S] * 3)
    assert harness.runs == [(CAT, [A])]
    harness.breaks = lambda *_: False
    harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.runs == [(CAT, [A]), (DOG, [B])]
    assert harness.depth == NOTHING


def test_an_end_that_was_half_written_is_not_written_twice(harness: WorkerHarness) -> None:
    """An end that was recorded before the disk broke is not recorded twice: the job may have been queued again."""
    harness.concurrency = 2
    harness.enqueue(CAT, A, B, C)
    harness.ends.update({A: BUSY, B: BUSY})
    harness.breaks = lambda name, *args: name == "fail" and args[0].file == B
    with capturedLogs():
        harness.worker.start()
        harness.gates[CAT] = Deferred()
        harness.clock.advance(0.5)
        assert harness.runs == [(CAT, [A, B, C]), (CAT, [A])]
        harness.breaks = lambda *_: False
        harness.clock.advance(LONGEST_PAUSE_S)
    assert harness.depth.running == 1
    harness.ends.clear()
    harness.gates.pop(CAT).callback(None)
    harness.clock.advance(LONGEST_PAUSE_S)
    assert (harness.count_runs(A), harness.depth) == (2, NOTHING)


@pytest.mark.parametrize("breakdown", ["raises", "answers nothing"])
def test_work_that_breaks_down_is_tried_again(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch, breakdown: str
) -> None:
    """An unexpected error, or a file without a result, frees the place and counts as an attempt."""

    async def run_jobs(_: ImageId, __: Sequence[str]) -> dict[str, ImagedError | None]:
        if breakdown == "raises":
            raise RuntimeError("a bug")
        return {}

    monkeypatch.setattr(harness.worker, "run_jobs", run_jobs)
    harness.enqueue(CAT, A)
    with capturedLogs():
        harness.worker.start()
    assert (harness.depth.queued, harness.depth.running) == (1, 0)
    monkeypatch.setattr(harness.worker, "run_jobs", harness.run_jobs)
    harness.clock.advance(0.5)
    assert (harness.count_runs(A), harness.depth) == (1, NOTHING)


def test_a_failure_is_logged_in_one_line(harness: WorkerHarness) -> None:
    """The log line says which job failed, why, and what is next."""
    harness.enqueue(CAT, A, B)
    harness.ends.update({A: BUSY, B: BROKEN})
    with capturedLogs() as logged:
        harness.worker.start()
    lines = [event["log_format"].format(**event) for event in logged]
    assert lines == [
        f"render of {CAT} x1.jpg failed: the remote store is down; again in 0.5 s",
        f"render of {CAT} x2.jpg failed: a broken picture; parked; to try it again: imaged queue retry 2",
    ]
