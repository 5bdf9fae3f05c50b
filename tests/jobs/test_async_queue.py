"""A job is in the queue when `enqueue` returns, or `enqueue` raises."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock

from imaged.core.errors import StoreError
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import Depth, JobQueue

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
A, B = map(parse, ("x1.jpg", "x2.jpg"))

at_once: Any = execute
"""Calls at once what the daemon calls on a thread."""


def untouched(*_: Any) -> Any:
    """Fail a test that touches the queue."""
    pytest.fail("touched the queue")


def full(*_: Any) -> Any:
    """Fail as SQLite does on a full disk."""
    return fail(sqlite3.OperationalError("database or disk is full"))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return an empty queue."""
    queue = JobQueue(tmp_path, Clock().seconds)
    yield queue
    queue.close()


def result(coroutine: Any) -> Any:
    """Run a coroutine that ends at once; return or raise its result."""
    ended: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(ended.append)
    (outcome,) = ended
    if hasattr(outcome, "raiseException"):
        outcome.raiseException()
    return outcome


def test_a_new_job_is_durable_and_wakes_its_worker(queue: JobQueue) -> None:
    """The worker of that kind is woken after the job is in the queue, and no other."""
    jobs, woken = AsyncJobQueue(queue, at_once), []
    jobs.on_new_work("upload", lambda: woken.append(queue.depth("upload").queued))
    result(jobs.enqueue("upload", CAT, [A, B]))
    result(jobs.enqueue("render", CAT, [A]))
    assert woken == [2]
    assert result(jobs.states(CAT)) == {A: "pending"}
    assert result(jobs.depth("upload")) == Depth(queued=2, running=0, failed=0, oldest_s=0.0)


def test_no_outputs_cost_nothing(queue: JobQueue) -> None:
    """For no outputs, the disk is not touched and no worker is woken."""
    jobs, woken = AsyncJobQueue(queue, untouched), []  # type: ignore[arg-type]
    jobs.on_new_work("render", lambda: woken.append(1))
    result(jobs.enqueue("render", CAT, []))
    assert woken == []


def test_a_queue_that_cannot_be_written_is_an_error(queue: JobQueue) -> None:
    """Any error of sqlite3 raises StoreError, and no worker is woken."""
    jobs, woken = AsyncJobQueue(queue, full), []  # type: ignore[arg-type]
    jobs.on_new_work("render", lambda: woken.append(1))
    with pytest.raises(StoreError, match=f"cannot keep outputs of {CAT}: database or disk is full"):
        result(jobs.enqueue("render", CAT, [A]))
    assert woken == []
