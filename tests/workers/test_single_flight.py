"""Many callers cost one piece of work, and each gets the result of the call that it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs

from imaged.core.errors import BusyError, ImagedError, NotFoundError
from imaged.workers.callers import Callers
from imaged.workers.single_flight import SingleFlight
from imaged.workers.tasks import Tasks


class Call:
    """One piece of work, which resolves what the test gives it."""

    def __init__(self, keys: list[str], resolve: Callable[[str, Any], None], callers: Callers) -> None:
        self.keys = keys
        self.callers = callers
        self.give = resolve
        self.ended = False
        self.work: Deferred[None] = Deferred()

    def end(self, error: Exception | None = None) -> None:
        """End, with an error perhaps."""
        self.ended = True
        self.work.callback(None) if error is None else self.work.errback(error)


class CallHarness:
    """Calls whose work the test does; `begun` lists them."""

    def __init__(self) -> None:
        self.tasks = Tasks()
        self.single: SingleFlight[str, Any] = SingleFlight(self.tasks)
        self.begun: list[Call] = []

    def work(self, keys: list[str], resolve: Callable[[str, Any], None], callers: Callers) -> Deferred[None]:
        """Begin a call."""
        self.begun.append(Call(keys, resolve, callers))
        return self.begun[-1].work

    def ask(self, *keys: str) -> list[list[Any]]:
        """Ask for keys; return, for each, the list that will hold its result."""
        return [outcome(waiter) for waiter in self.single.do(keys, self.work).values()]


class Caller:
    """One that waits for a key of the newest call that has it; `got` will hold its result."""

    def __init__(self, harness: CallHarness, key: str, waiter: Deferred[Any]) -> None:
        self.key = key
        self.call = next(call for call in reversed(harness.begun) if key in call.keys)
        self.waiter = waiter
        self.got = outcome(waiter)


def leave(callers: list[Caller], keys: set[str]) -> None:
    """Let the last caller of each key leave that still waits."""
    for caller in {each.key: each for each in callers if each.key in keys and not each.got}.values():
        caller.waiter.cancel()


def outcome(waiter: Deferred[Any]) -> list[Any]:
    """Return the list that will hold what a waiter gets."""
    got: list[Any] = []
    waiter.addCallbacks(got.append, lambda failure: got.append(type(failure.value)))
    return got


@pytest.fixture
def harness() -> CallHarness:
    """Return a harness without calls."""
    return CallHarness()


def test_many_callers_cost_one_call(harness: CallHarness) -> None:
    """All that ask while it runs get its result; a later caller begins another."""
    callers = [harness.ask("a")[0] for _ in range(3)]
    assert harness.single.in_flight("a")
    harness.begun[0].give("a", 1)
    assert callers == [[1], [1], [1]]
    assert [call.keys for call in harness.begun] == [["a"]]
    assert not harness.single.in_flight("a")
    harness.ask("a")
    assert len(harness.begun) == 2


def test_a_call_has_new_keys_only(harness: CallHarness) -> None:
    """Of several keys, those in flight are waited for, and the rest are one call, each key once."""
    harness.ask("b")
    results = harness.ask("a", "b", "c", "a")
    assert [call.keys for call in harness.begun] == [["b"], ["a", "c"]]
    for call in harness.begun:
        for key in call.keys:
            call.give(key, key.upper())
    assert results == [["A"], ["B"], ["C"]]


def test_keys_resolve_one_by_one(harness: CallHarness) -> None:
    """A caller of the first key does not wait for the last; a second result of a key changes nothing."""
    a, b = harness.ask("a", "b")
    harness.begun[0].give("a", 1)
    harness.begun[0].give("a", 2)
    assert (a, b) == ([1], [])


def test_a_cancelled_waiter_leaves_alone(harness: CallHarness) -> None:
    """It changes nothing for the others nor for the call, even when it was the only one."""
    waiters = [harness.single.do(["a"], harness.work)["a"] for _ in range(2)]
    got = [outcome(waiter) for waiter in waiters]
    waiters[0].cancel()
    assert harness.single.in_flight("a")
    waiters[1].cancel()
    late = harness.ask("a")[0]
    harness.begun[0].give("a", 1)
    assert got == [[CancelledError], [CancelledError]]
    assert late == [1]
    assert len(harness.begun) == 1


def test_a_call_knows_who_waits_for_it(harness: CallHarness) -> None:
    """Clients and queued jobs, for any of its keys; who has left or has its result waits no more."""
    waiters = harness.single.do(["a", "b"], harness.work, client_waits=False)
    (call,) = harness.begun
    gone: list[bool] = []
    call.callers.when_gone = lambda: gone.append(call.callers.gone)
    assert not call.callers.client_waits
    client = harness.single.do(["b"], harness.work)["b"]
    got = [outcome(waiter) for waiter in (*waiters.values(), client)]
    assert call.callers.client_waits
    call.give("a", 1)
    waiters["b"].cancel()
    assert gone == []
    client.cancel()
    assert gone == [True]
    assert got == [[1], [CancelledError], [CancelledError]]
    harness.ask("b")
    assert call.callers.client_waits, "the call continues, and serves a client that comes now"


def test_unwanted_work_may_end_at_once(harness: CallHarness) -> None:
    """It ends while its last waiter leaves, and the next caller begins another call."""
    waiter = harness.single.do(["a"], harness.work)["a"]
    got = outcome(waiter)
    harness.begun[0].callers.when_gone = lambda: harness.begun[0].end(BusyError("unwanted"))
    waiter.cancel()
    assert got == [CancelledError]
    assert not harness.single.in_flight("a")
    harness.ask("a")
    assert len(harness.begun) == 2


def test_an_expected_error_resolves_what_is_left(harness: CallHarness) -> None:
    """It is a value; keys that were resolved before keep their result."""
    a, b, c = harness.ask("a", "b", "c")
    harness.begun[0].give("a", 1)
    harness.begun[0].end(error := BusyError("no thread"))
    assert (a, b, c) == ([1], [error], [error])


def test_a_bug_resolves_all_and_is_logged(harness: CallHarness) -> None:
    """No caller waits for ever or sees the bug, and the log has it."""
    (a,) = harness.ask("a")
    with capturedLogs() as logged:
        harness.begun[0].end(RuntimeError("secret"))
    assert [(type(error), str(error)) for error in a] == [
        (ImagedError, "an unexpected failure: the log has its traceback")
    ]
    assert [event["keys"] for event in logged] == [["a"]]


def test_a_key_without_a_result_gets_an_error(harness: CallHarness) -> None:
    """A call that ends has resolved all its keys, one way or another."""
    a, b = harness.ask("a", "b")
    harness.begun[0].give("a", 1)
    harness.begun[0].end()
    assert a == [1]
    assert [str(error) for error in b] == ["the work ended without a result"]


def test_a_call_does_not_resolve_a_later_one(harness: CallHarness) -> None:
    """A key that failed early may be in flight again while its first call still works."""
    harness.ask("a", "b")
    harness.begun[0].give("a", BusyError("took too long"))
    (later,) = harness.ask("a")
    harness.begun[0].give("a", 1)
    harness.begun[0].end()
    assert later == []
    harness.begun[1].give("a", 2)
    assert later == [2]


def test_work_may_end_at_once(harness: CallHarness) -> None:
    """Work that needs no waiting resolves its keys while they are being asked for."""

    async def at_once(keys: list[str], resolve: Callable[[str, Any], None], callers: Callers) -> None:
        assert callers.client_waits
        for key in keys:
            resolve(key, key.upper())

    waiters = harness.single.do(["a", "b"], at_once)
    assert [outcome(waiter) for waiter in waiters.values()] == [["A"], ["B"]]


def test_no_keys_are_no_call(harness: CallHarness) -> None:
    """No work begins."""
    assert harness.single.do([], harness.work) == {}
    assert harness.begun == []


def test_calls_are_tasks(harness: CallHarness) -> None:
    """A generation is not drained before its calls have ended."""
    harness.ask("a")
    drained = outcome(Deferred.fromCoroutine(harness.tasks.drained()))
    harness.begun[0].give("a", 1)
    assert drained == []
    harness.begun[0].end()
    assert drained == [None]


def test_one_returns_the_value_or_raises_the_error(harness: CallHarness) -> None:
    """Several callers raise the same error, each without the traceback of the others."""
    value: Deferred[int] = Deferred()
    failures: list[Any] = []
    good = outcome(Deferred.fromCoroutine(harness.single.one("a", lambda: value)))
    bad: Deferred[int] = Deferred()
    for _ in range(2):
        Deferred.fromCoroutine(harness.single.one("b", lambda: bad)).addErrback(failures.append)
    value.callback(1)
    bad.errback(error := NotFoundError("no image"))
    assert good == [1]
    assert [failure.value for failure in failures] == [error, error]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "leave", "give", "end", "fail"]), st.sets(st.sampled_from("abc"), min_size=1))
    )
)
def test_each_caller_gets_one_result_and_no_work_is_doubled(steps: list[tuple[str, set[str]]]) -> None:
    """In whatever order keys are asked for, left and resolved: each key is in one call at most, each caller gets one.

    Each call knows whether a caller waits for it.
    """
    harness = CallHarness()
    callers: list[Caller] = []
    for step, keys in steps:
        in_flight = {key for key in "abc" if harness.single.in_flight(key)}
        begun = len(harness.begun)
        running = [call for call in harness.begun if not call.ended]
        if step == "ask":
            waiters = harness.single.do(sorted(keys), harness.work)
            callers.extend(Caller(harness, key, waiter) for key, waiter in waiters.items())
            new = keys - in_flight
            assert [set(call.keys) for call in harness.begun[begun:]] == ([new] if new else [])
        elif step == "leave":
            leave(callers, keys)
        elif step == "give":
            for call in running:
                for key in keys.intersection(call.keys):
                    call.give(key, key)
        elif running:
            running[-1].end(None if step == "end" else BusyError("no thread"))
        awaited = {each.call for each in callers if not each.got}
        assert {call for call in harness.begun if not call.callers.gone} == awaited
    for call in harness.begun:
        if not call.ended:
            call.end()
    assert [len(each.got) for each in callers] == [1] * len(callers)
    assert not any(harness.single.in_flight(key) for key in "abc")
