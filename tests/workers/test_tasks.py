"""Work runs to its end when its caller has left, and its errors are never lost."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs

from imaged.core.errors import BusyError
from imaged.workers.tasks import Tasks


async def wait_for(gate: Deferred[Any]) -> Any:
    """Run until the gate fires."""
    return await gate


def outcome(deferred: Deferred[Any]) -> list[Any]:
    """Return the list that will hold the result of a Deferred."""
    ended: list[Any] = []
    deferred.addCallbacks(ended.append, lambda failure: ended.append(failure.value))
    return ended


def test_a_caller_that_waits_gets_the_result() -> None:
    """It is the value or the error of the work."""
    tasks = Tasks()
    good: Deferred[str] = Deferred()
    bad: Deferred[str] = Deferred()
    results = outcome(tasks.own(wait_for(good))), outcome(tasks.own(wait_for(bad)))
    assert results == ([], [])
    good.callback("picture")
    bad.errback(error := BusyError("no thread"))
    assert results == (["picture"], [error])


def test_work_continues_without_its_caller() -> None:
    """Cancelling ends the wait at once, and not the work."""
    tasks = Tasks()
    gate: Deferred[str] = Deferred()
    done: list[str] = []

    async def work() -> None:
        done.append(await gate)

    waiter = tasks.own(work())
    ended = outcome(waiter)
    waiter.cancel()
    assert [type(each) for each in ended] == [CancelledError]
    gate.callback("kept")
    assert done == ["kept"]
    assert len(ended) == 1


@pytest.mark.parametrize(("error", "logged"), [(RuntimeError("a bug"), 1), (BusyError("expected"), 0)])
def test_a_bug_without_a_caller_is_logged(error: Exception, logged: int) -> None:
    """Else it would be lost; an expected error needs no line."""
    tasks = Tasks()
    gate: Deferred[None] = Deferred()
    waiter = tasks.own(wait_for(gate))
    outcome(waiter)
    waiter.cancel()
    with capturedLogs() as events:
        gate.errback(error)
    assert len(events) == logged


def test_drained_means_nothing_runs() -> None:
    """It returns at once without work; else after the last of it, however that ends."""
    tasks = Tasks()
    first: Deferred[None] = Deferred()
    second: Deferred[None] = Deferred()
    assert outcome(Deferred.fromCoroutine(tasks.drained())) == [None]
    outcome(tasks.own(wait_for(first)))
    outcome(tasks.own(wait_for(second)))
    drained = [outcome(Deferred.fromCoroutine(tasks.drained())) for _ in range(2)]
    first.callback(None)
    assert drained == [[], []]
    second.errback(BusyError("no thread"))
    assert drained == [[None], [None]]


def test_drained_waits_for_work_that_work_begins() -> None:
    """A callback may begin more work."""
    tasks = Tasks()
    first: Deferred[None] = Deferred()
    second: Deferred[None] = Deferred()
    tasks.own(wait_for(first)).addCallback(lambda _: outcome(tasks.own(wait_for(second))))
    drained = outcome(Deferred.fromCoroutine(tasks.drained()))
    first.callback(None)
    assert drained == []
    second.callback(None)
    assert drained == [None]
