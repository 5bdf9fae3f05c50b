"""Workers do what is owed, try again what may yet succeed, and survive whatever breaks."""

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
from imaged.jobs.job_worker import BACKOFF, LONGEST_PAUSE_S, JobWorker
from imaged.jobs.monitored_queue import MonitoredQueue
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
        self.performed: list[tuple[ImageId, list[ImageFile]]] = []
        monitored = MonitoredQueue(self.queue, self.run)
        self.worker = JobWorker("render", monitored, self.clock, lambda: 0.0, lambda: self.concurrency, self.run_jobs)

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call the function now, or refuse as a broken disk does."""
        if self.breaks(function.__name__, *args):
            return fail(sqlite3.OperationalError("disk I/O error"))
        return execute(function, *args, **kwargs)

    async def run_jobs(self, image: ImageId, files: Sequence[ImageFile]) -> dict[ImageFile, ImagedError | None]:
        """Take note, wait at the gate, and end as the test says."""
        self.performed.append((image, list(files)))
        if image in self.gates:
            await self.gates[image]
        return {file: self.ends.get(file) for file in files}

    def enqueue(self, image: ImageId, *outputs: Output) -> None:
        """Promise outputs without waking anybody."""
        self.queue.add("render", image, outputs)

    @property
    def depth(self) -> Depth:
        """How much is owed."""
        return self.queue.depth("render")

    def times_performed(self, output: Output) -> int:
        """Count how often an output was tried."""
        return sum(output in outputs for _, outputs in self.performed)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[WorkerHarness]:
    """Return a workshop whose worker has not started."""
    shop = WorkerHarness(tmp_path)
    yield shop
    shop.queue.close()


def stopping(shop: WorkerHarness) -> Deferred[None]:
    """Ask the worker to stop."""
    return Deferred.fromCoroutine(shop.worker.stop())


def test_what_is_owed_is_done_and_forgotten(shop: WorkerHarness) -> None:
    """All outputs of an image in one go, image after image."""
    shop.enqueue(CAT, A, B)
    shop.enqueue(DOG, C)
    shop.worker.start()
    assert shop.performed == [(CAT, [A, B]), (DOG, [C])]
    assert shop.depth == NOTHING


def test_what_may_yet_succeed_is_tried_again_later(shop: WorkerHarness) -> None:
    """A transient error waits out its backoff; nothing else of the image is done twice."""
    shop.enqueue(CAT, A, B)
    shop.ends[A] = BUSY
    shop.worker.start()
    shop.clock.advance(0.49)
    assert len(shop.performed) == 1
    shop.ends[A] = None
    shop.clock.advance(0.01)
    assert shop.performed == [(CAT, [A, B]), (CAT, [A])]
    assert shop.depth == NOTHING


def test_what_runs_out_of_time_is_not_tried_often(shop: WorkerHarness) -> None:
    """Each attempt may cost a thread for good: it is parked after three, minutes apart."""
    shop.enqueue(CAT, A)
    shop.ends[A] = OutOfTimeError("rendering took longer than 30 s")
    shop.worker.start()
    shop.clock.advance(29)
    assert len(shop.performed) == 1
    shop.clock.pump([60.0] * 60)
    assert len(shop.performed) == 3
    assert (shop.depth.failed, shop.depth.queued) == (1, 0)


def test_an_outage_of_half_an_hour_parks_nothing(shop: WorkerHarness) -> None:
    """The remote store is back after thirty minutes: what was owed is done without anybody's help."""
    shop.enqueue(CAT, A)
    shop.ends[A] = BUSY
    shop.worker.start()
    shop.clock.pump([LONGEST_PAUSE_S] * 360)
    assert shop.depth.failed == 0
    shop.ends[A] = None
    shop.clock.pump([LONGEST_PAUSE_S] * 60)
    assert shop.depth == NOTHING


def test_attempts_come_to_an_end(shop: WorkerHarness) -> None:
    """What never succeeds is parked after the last attempt of the backoff."""
    shop.enqueue(CAT, A)
    shop.ends[A] = BUSY
    shop.worker.start()
    shop.clock.pump([60.0] * 200)
    assert len(shop.performed) == BACKOFF.attempts
    assert (shop.depth.failed, shop.depth.queued) == (1, 0)


def test_a_store_that_is_away_costs_no_attempts(shop: WorkerHarness) -> None:
    """However long it is away, nothing is parked; what then fails for its own sake has every attempt left."""
    shop.enqueue(CAT, A)
    shop.ends[A] = StoreUnavailableError("out of reach")
    shop.worker.start()
    with capturedLogs() as events:
        shop.clock.pump([60.0] * 200)
    assert len(shop.performed) > BACKOFF.attempts
    assert (shop.depth.failed, shop.depth.queued) == (0, 1)
    assert events == []  # who knows of the store tells of it once
    before = len(shop.performed)
    shop.ends[A] = StoreError("this key is refused")
    shop.clock.pump([60.0] * 200)
    assert len(shop.performed) - before == BACKOFF.attempts
    assert (shop.depth.failed, shop.depth.queued) == (1, 0)


def test_a_store_that_is_back_gets_what_waited(shop: WorkerHarness) -> None:
    """Within seconds, and each output by itself."""
    shop.enqueue(CAT, A, B)
    shop.ends[A] = StoreUnavailableError("out of reach")
    shop.worker.start()
    shop.clock.pump([1.0] * 100)
    assert shop.times_performed(B) == 1
    shop.ends[A] = None
    shop.clock.pump([1.0] * 3)
    assert shop.depth == NOTHING


def test_what_cannot_succeed_is_parked_at_once(shop: WorkerHarness) -> None:
    """A broken picture is tried once, and told as failed."""
    shop.enqueue(CAT, A, B)
    shop.ends[A] = BROKEN
    shop.worker.start()
    shop.clock.pump([LONGEST_PAUSE_S] * 10)
    assert shop.performed == [(CAT, [A, B])]
    assert shop.queue.states(CAT) == {A: "failed"}


def test_what_an_operator_queues_again_is_done_within_seconds(shop: WorkerHarness) -> None:
    """The worker looks for itself: the operator's process rings no bell."""
    shop.enqueue(CAT, A)
    shop.ends[A] = BROKEN
    shop.worker.start()
    shop.clock.pump([LONGEST_PAUSE_S] * 3)
    assert shop.depth.failed == 1
    shop.ends[A] = None
    with administer(shop.folder, shop.clock.seconds) as seen:
        assert seen.retry(None) == 1
    shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.depth == NOTHING


def test_no_more_images_than_lanes_are_worked_on(shop: WorkerHarness) -> None:
    """The next begins as soon as one has ended."""
    shop.concurrency = 2
    for image in (CAT, DOG, FOX):
        shop.gates[image] = Deferred()
        shop.enqueue(image, A)
    shop.worker.start()
    shop.clock.advance(60)
    assert [image for image, _ in shop.performed] == [CAT, DOG]
    shop.gates[DOG].callback(None)
    assert [image for image, _ in shop.performed] == [CAT, DOG, FOX]
    for image in (CAT, FOX):
        shop.gates[image].callback(None)
    assert shop.depth == NOTHING


def test_closed_lanes_rest(shop: WorkerHarness) -> None:
    """While clients wait for the render threads, promised work does not even look, however much of it is due."""
    shop.gates[CAT] = Deferred()
    shop.enqueue(CAT, A)
    shop.enqueue(DOG, A)
    shop.worker.start()
    shop.concurrency = 0
    shop.gates[CAT].callback(None)
    (look,) = shop.clock.getDelayedCalls()
    assert look.getTime() == LONGEST_PAUSE_S
    shop.concurrency = 1
    shop.clock.advance(LONGEST_PAUSE_S)
    assert [image for image, _ in shop.performed] == [CAT, DOG]


def test_a_free_lane_keeps_time_for_retries(shop: WorkerHarness) -> None:
    """Long work in one lane does not delay what comes due for another."""
    shop.concurrency = 2
    shop.gates[CAT] = Deferred()
    shop.ends[B] = BUSY
    shop.enqueue(CAT, A)
    shop.enqueue(DOG, B)
    shop.worker.start()
    shop.clock.advance(0.5)
    assert shop.times_performed(B) == 2


def test_new_work_is_seen_when_the_bell_rings(shop: WorkerHarness) -> None:
    """Whoever adds work wakes the worker; work of other processes is found without."""
    shop.worker.start()
    shop.enqueue(CAT, A)
    assert shop.performed == []
    shop.worker.wake()
    assert shop.times_performed(A) == 1
    shop.enqueue(CAT, B)
    shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.times_performed(B) == 1


def test_a_bell_that_rings_during_a_look_is_heard(shop: WorkerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is added while the queue thread is looking does not wait for the next regular look."""
    answers: list[Deferred[Any]] = []

    def run_later(_: Callable[..., Any], *__: Any) -> Deferred[Any]:
        answers.append(Deferred())
        return answers[-1]

    monkeypatch.setattr(shop.worker, "_run", run_later)
    shop.worker.start()
    monkeypatch.setattr(shop.worker, "_run", shop.run)
    shop.enqueue(CAT, A)
    shop.worker.wake()
    answers[0].callback([])
    assert shop.times_performed(A) == 1


def test_what_a_dead_process_left_is_done(shop: WorkerHarness) -> None:
    """A worker with nothing to do looks after the jobs of those who are gone."""
    other = JobQueue(shop.folder, shop.clock.seconds)
    shop.enqueue(CAT, A)
    assert other.claim("render")
    shop.worker.start()
    shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.performed == []
    other.close()
    shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.times_performed(A) == 1


def test_stopping_waits_for_what_runs(shop: WorkerHarness) -> None:
    """What has begun is ended and written down, and nothing new begins."""
    shop.gates[CAT] = Deferred()
    shop.enqueue(CAT, A)
    shop.worker.start()
    stopped = stopping(shop)
    shop.enqueue(DOG, A)
    shop.worker.wake()
    shop.clock.advance(60)
    assert not stopped.called
    shop.gates[CAT].callback(None)
    assert stopped.called
    assert [image for image, _ in shop.performed] == [CAT]
    assert shop.depth.queued == 1
    assert shop.clock.getDelayedCalls() == []


def test_an_idle_worker_stops_at_once(shop: WorkerHarness) -> None:
    """With no timer left behind."""
    shop.worker.start()
    assert stopping(shop).called
    assert shop.clock.getDelayedCalls() == []


def test_a_worker_that_was_never_started_stops_too(shop: WorkerHarness) -> None:
    """A daemon that could not open its ports stops like any other."""
    assert stopping(shop).called


def test_a_queue_that_cannot_be_read_is_tried_again(shop: WorkerHarness) -> None:
    """A full disk delays the work and says so in the log; when it is back, the work goes on."""
    shop.enqueue(CAT, A)
    shop.breaks = lambda *_: True
    with capturedLogs() as logged:
        shop.worker.start()
        shop.clock.advance(LONGEST_PAUSE_S)
    assert [event["log_level"] for event in logged] == [LogLevel.critical] * 2
    assert shop.performed == []
    shop.breaks = lambda *_: False
    shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.times_performed(A) == 1


def test_an_end_that_cannot_be_written_is_written_later(shop: WorkerHarness) -> None:
    """The work is not done again for it, and its lane stays taken: a broken disk needs no more work."""
    shop.enqueue(CAT, A)
    shop.enqueue(DOG, B)
    shop.breaks = lambda name, *_: name == "done"
    with capturedLogs():
        shop.worker.start()
        shop.clock.pump([LONGEST_PAUSE_S] * 3)
    assert shop.performed == [(CAT, [A])]
    shop.breaks = lambda *_: False
    shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.performed == [(CAT, [A]), (DOG, [B])]
    assert shop.depth == NOTHING


def test_an_end_that_was_half_written_is_not_written_twice(shop: WorkerHarness) -> None:
    """What was told to the queue before the disk broke may have begun anew: a second word would end that."""
    shop.concurrency = 2
    shop.enqueue(CAT, A, B, C)
    shop.ends.update({A: BUSY, B: BUSY})
    shop.breaks = lambda name, *args: name == "fail" and args[0].file == B
    with capturedLogs():
        shop.worker.start()
        shop.gates[CAT] = Deferred()
        shop.clock.advance(0.5)
        assert shop.performed == [(CAT, [A, B, C]), (CAT, [A])]
        shop.breaks = lambda *_: False
        shop.clock.advance(LONGEST_PAUSE_S)
    assert shop.depth.running == 1
    shop.ends.clear()
    shop.gates.pop(CAT).callback(None)
    shop.clock.advance(LONGEST_PAUSE_S)
    assert (shop.times_performed(A), shop.depth) == (2, NOTHING)


@pytest.mark.parametrize("breakdown", ["raises", "answers nothing"])
def test_work_that_breaks_down_is_tried_again(
    shop: WorkerHarness, monkeypatch: pytest.MonkeyPatch, breakdown: str
) -> None:
    """An unexpected error, or an output without an answer, frees the lane and counts as an attempt."""

    async def run_jobs(_: ImageId, __: Sequence[str]) -> dict[str, ImagedError | None]:
        if breakdown == "raises":
            raise RuntimeError("a bug")
        return {}

    monkeypatch.setattr(shop.worker, "_run_jobs", run_jobs)
    shop.enqueue(CAT, A)
    with capturedLogs():
        shop.worker.start()
    assert (shop.depth.queued, shop.depth.running) == (1, 0)
    monkeypatch.setattr(shop.worker, "_run_jobs", shop.run_jobs)
    shop.clock.advance(0.5)
    assert (shop.times_performed(A), shop.depth) == (1, NOTHING)


def test_a_failure_is_logged_in_one_line(shop: WorkerHarness) -> None:
    """Which, why and what comes next."""
    shop.enqueue(CAT, A, B)
    shop.ends.update({A: BUSY, B: BROKEN})
    with capturedLogs() as logged:
        shop.worker.start()
    lines = [event["log_format"].format(**event) for event in logged]
    assert lines == [
        f"render of {CAT} x1.jpg failed: the remote store is down; again in 0.5 s",
        f"render of {CAT} x2.jpg failed: a broken picture; parked",
    ]
