"""Work goes on when the one who asked for it has left, and somebody always knows of it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs

from imaged.core.errors import BusyError
from imaged.workers.tasks import Tasks


async def wait_for(gate: Deferred[Any]) -> Any:
    """Work until the gate fires."""
    return await gate


def outcome(deferred: Deferred[Any]) -> list[Any]:
    """Return the list that will hold what a Deferred ends with."""
    ended: list[Any] = []
    deferred.addCallbacks(ended.append, lambda failure: ended.append(failure.value))
    return ended


def test_who_waits_gets_the_result() -> None:
    """The value, or the error, of the work."""
    tasks, good, bad = Tasks(), Deferred(), Deferred()
    results = outcome(tasks.own(wait_for(good))), outcome(tasks.own(wait_for(bad)))
    assert results == ([], [])
    good.callback("picture")
    bad.errback(error := BusyError("no thread"))
    assert results == (["picture"], [error])


def test_work_goes_on_without_its_waiter() -> None:
    """Cancelling stops the waiting at once and the work not at all."""
    tasks, gate = Tasks(), Deferred()
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
def test_a_bug_that_nobody_waits_for_is_logged(error: Exception, logged: int) -> None:
    """It would be lost otherwise; an expected error needs no line of its own."""
    tasks, gate = Tasks(), Deferred()
    waiter = tasks.own(wait_for(gate))
    outcome(waiter)
    waiter.cancel()
    with capturedLogs() as events:
        gate.errback(error)
    assert len(events) == logged


def test_drained_means_nothing_runs() -> None:
    """At once for nothing; else after the last of all work, whoever waits for it and however it ends."""
    tasks, first, second = Tasks(), Deferred(), Deferred()
    assert outcome(Deferred.fromCoroutine(tasks.drained())) == [None]
    outcome(tasks.own(wait_for(first)))
    outcome(tasks.own(wait_for(second)))
    drained = [outcome(Deferred.fromCoroutine(tasks.drained())) for _ in range(2)]
    first.callback(None)
    assert drained == [[], []]
    second.errback(BusyError("no thread"))
    assert drained == [[None], [None]]


def test_work_that_begets_work_is_waited_for() -> None:
    """What a result sets going belongs to what has to end first."""
    tasks, first, second = Tasks(), Deferred(), Deferred()
    tasks.own(wait_for(first)).addCallback(lambda _: outcome(tasks.own(wait_for(second))))
    drained = outcome(Deferred.fromCoroutine(tasks.drained()))
    first.callback(None)
    assert drained == []
    second.callback(None)
    assert drained == [None]
