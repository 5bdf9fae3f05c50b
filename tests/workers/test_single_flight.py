"""Many askers cost one piece of work, and each gets the result of the flight that it boarded."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs

from imaged.core.errors import BusyError, ImagedError, NotFoundError
from imaged.workers.single_flight import SingleFlight, wait
from imaged.workers.tasks import Tasks


class FlightHarness:
    """Flights whose work waits for the test; `begun` lists the keys of each and the gate that ends it."""

    def __init__(self) -> None:
        self.tasks = Tasks()
        self.flights: SingleFlight[str, Any] = SingleFlight(self.tasks)
        self.begun: list[tuple[list[str], Deferred[None]]] = []

    async def work(self, keys: list[str]) -> None:
        """Wait at the gate."""
        gate: Deferred[None] = Deferred()
        self.begun.append((keys, gate))
        await gate

    def ask(self, *keys: str) -> list[list[Any]]:
        """Ask for keys; return, for each, the list that its result will be put in."""
        return [passenger(waiter) for waiter in self.flights.do(keys, self.work).values()]


def passenger(waiter: Deferred[Any]) -> list[Any]:
    """Return the list that will hold what a waiter gets."""
    got: list[Any] = []
    waiter.addCallbacks(got.append, lambda failure: got.append(type(failure.value)))
    return got


@pytest.fixture
def airport() -> FlightHarness:
    """Return an airport without flights."""
    return FlightHarness()


def test_many_askers_cost_one_flight(airport: FlightHarness) -> None:
    """All who ask while it is under way get its result; who asks later begins another."""
    askers = [airport.ask("a")[0] for _ in range(3)]
    assert airport.flights.in_flight("a")
    airport.flights.resolve("a", 1)
    assert askers == [[1], [1], [1]]
    assert [keys for keys, _ in airport.begun] == [["a"]]
    assert not airport.flights.in_flight("a")
    airport.ask("a")
    assert len(airport.begun) == 2


def test_a_flight_carries_what_is_new_only(airport: FlightHarness) -> None:
    """Of several keys, those under way are joined and the rest fly together, each key once."""
    airport.ask("b")
    results = airport.ask("a", "b", "c", "a")
    assert [keys for keys, _ in airport.begun] == [["b"], ["a", "c"]]
    for key in "abc":
        airport.flights.resolve(key, key.upper())
    assert results == [["A"], ["B"], ["C"]]


def test_keys_land_one_by_one(airport: FlightHarness) -> None:
    """Who waits for the first output does not wait for the last."""
    a, b = airport.ask("a", "b")
    airport.flights.resolve("a", 1)
    airport.flights.resolve("a", 2)
    assert (a, b) == ([1], [])


def test_who_leaves_leaves_alone(airport: FlightHarness) -> None:
    """A cancelled waiter changes nothing for the others nor for the flight, even when it was the only one."""
    waiters = [airport.flights.do(["a"], airport.work)["a"] for _ in range(2)]
    got = [passenger(waiter) for waiter in waiters]
    waiters[0].cancel()
    assert airport.flights.in_flight("a")
    waiters[1].cancel()
    late = airport.ask("a")[0]
    airport.flights.resolve("a", 1)
    assert got == [[CancelledError], [CancelledError]]
    assert late == [1]
    assert len(airport.begun) == 1


def test_an_expected_error_lands_what_is_left(airport: FlightHarness) -> None:
    """As a value: those who landed before keep their result."""
    a, b, c = airport.ask("a", "b", "c")
    airport.flights.resolve("a", 1)
    airport.begun[0][1].errback(error := BusyError("no thread"))
    assert (a, b, c) == ([1], [error], [error])


def test_a_bug_lands_everybody_and_is_logged(airport: FlightHarness) -> None:
    """Nobody waits for ever, nobody is told the bug, and the log has it."""
    (a,) = airport.ask("a")
    with capturedLogs() as logged:
        airport.begun[0][1].errback(RuntimeError("secret"))
    assert [(type(error), str(error)) for error in a] == [(ImagedError, "an unexpected failure, which the log tells")]
    assert [event["keys"] for event in logged] == [["a"]]


def test_work_that_forgets_a_key_lands_it(airport: FlightHarness) -> None:
    """A flight that ends has landed all its keys, one way or another."""
    a, b = airport.ask("a", "b")
    airport.flights.resolve("a", 1)
    airport.begun[0][1].callback(None)
    assert a == [1]
    assert [str(error) for error in b] == ["the work ended without a result"]


def test_an_ending_flight_does_not_land_a_later_one(airport: FlightHarness) -> None:
    """A key that landed early may be carried anew while its first flight still works on the others."""
    airport.ask("a", "b")
    airport.flights.resolve("a", BusyError("took too long"))
    (later,) = airport.ask("a")
    airport.begun[0][1].callback(None)
    assert later == []
    airport.flights.resolve("a", 2)
    assert later == [2]


def test_work_may_end_before_anybody_waits(airport: FlightHarness) -> None:
    """Work that needs no waiting lands its keys while they are being asked for."""

    async def at_once(keys: list[str]) -> None:
        for key in keys:
            airport.flights.resolve(key, key.upper())

    waiters = airport.flights.do(["a", "b"], at_once)
    assert [passenger(waiter) for waiter in waiters.values()] == [["A"], ["B"]]


def test_nothing_asked_is_no_flight(airport: FlightHarness) -> None:
    """No keys, no work."""
    assert airport.flights.do([], airport.work) == {}
    assert airport.begun == []


def test_flights_are_tasks(airport: FlightHarness) -> None:
    """A generation is not drained before its flights have ended."""
    airport.ask("a")
    drained = passenger(Deferred.fromCoroutine(airport.tasks.drained()))
    airport.flights.resolve("a", 1)
    assert drained == []
    airport.begun[0][1].callback(None)
    assert drained == [None]


def test_arrival_returns_the_value_or_raises_the_error(airport: FlightHarness) -> None:
    """The same error reaches many, and each raises it without the trace of the others."""

    def arrive(key: str) -> Coroutine[Deferred[Any], Any, Any]:
        return wait(airport.flights.do([key], airport.work)[key])

    good = passenger(Deferred.fromCoroutine(arrive("a")))
    failures: list[Any] = []
    for _ in range(2):
        Deferred.fromCoroutine(arrive("b")).addErrback(failures.append)
    airport.flights.resolve("a", 1)
    airport.flights.resolve("b", error := NotFoundError("no image"))
    assert good == [1]
    assert [failure.value for failure in failures] == [error, error]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ask", "land", "end", "fail"]), st.sets(st.sampled_from("abc"), min_size=1)))
)
def test_everybody_gets_one_result_and_no_work_is_doubled(steps: list[tuple[str, set[str]]]) -> None:
    """In whatever order keys are asked for, landed and ended: one flight at most carries a key, and all arrive."""
    airport = FlightHarness()
    askers: list[list[Any]] = []
    for step, keys in steps:
        flying = {key for key in "abc" if airport.flights.in_flight(key)}
        begun = len(airport.begun)
        open_gates = [gate for _, gate in airport.begun if not gate.called]
        if step == "ask":
            askers.extend(airport.ask(*sorted(keys)))
            assert [set(new) for new, _ in airport.begun[begun:]] == ([keys - flying] if keys - flying else [])
        elif step == "land":
            for key in keys:
                airport.flights.resolve(key, key)
        elif open_gates:
            open_gates[-1].callback(None) if step == "end" else open_gates[-1].errback(BusyError("no thread"))
    for _, gate in airport.begun:
        if not gate.called:
            gate.callback(None)
    assert [len(got) for got in askers] == [1] * len(askers)
    assert not any(airport.flights.in_flight(key) for key in "abc")
