"""Renders wait in the order of their arrival, or are refused at once, and no place is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from imaged.core.errors import BusyError
from imaged.workers.admission import Admission


class Renders:
    """Renders that each hold a place until their gate fires; `inside` lists those that hold one."""

    def __init__(self, size: int, queue: int) -> None:
        self.admission = Admission(size, queue, Clock())
        self.inside: list[int] = []
        self.gates: list[Deferred[None]] = []
        self.begun: list[Deferred[None]] = []
        self.ended: list[Any] = []

    def begin(self) -> int:
        """Begin a render, or let it wait; return its number."""
        number = len(self.gates)
        self.gates.append(Deferred())
        render = Deferred.fromCoroutine(self._render(number))
        render.addCallbacks(lambda _: self.ended.append(number), lambda failure: self.ended.append(failure.value))
        self.begun.append(render)
        return number

    async def _render(self, number: int) -> None:
        async with self.admission.place():
            self.inside.append(number)
            try:
                await self.gates[number]
            finally:
                self.inside.remove(number)


@pytest.fixture
def renders() -> Renders:
    """Return renders with two places and one place to wait."""
    return Renders(2, 1)


def test_as_many_render_as_there_are_places(renders: Renders) -> None:
    """The others wait, and follow in the order of their arrival."""
    for _ in range(5):
        renders.begin()
    assert (renders.inside, renders.admission.waiting, renders.admission.size) == ([0, 1], 3, 2)
    renders.gates[1].callback(None)
    renders.gates[0].callback(None)
    assert (renders.inside, renders.admission.waiting) == ([2, 3], 1)
    for number in (2, 3, 4):
        renders.gates[number].callback(None)
    assert renders.ended == [1, 0, 2, 3, 4]
    assert renders.admission.waiting == 0


def test_a_render_beyond_the_queue_is_refused(renders: Renders) -> None:
    """At once, with a Retry-After; a place that is free again admits the next."""
    for _ in range(2):
        renders.admission.check_room()
        renders.begin()
    renders.admission.check_room()
    renders.begin()
    with pytest.raises(BusyError, match="all 2 render threads are busy and 1 requests wait") as caught:
        renders.admission.check_room()
    assert caught.value.retry_after_s >= 1
    renders.gates[0].callback(None)
    renders.admission.check_room()


def test_without_a_queue_a_free_place_is_enough() -> None:
    """A queue of zero refuses only while every place is taken."""
    renders = Renders(1, 0)
    renders.admission.check_room()
    renders.begin()
    with pytest.raises(BusyError):
        renders.admission.check_room()


def test_a_render_that_skips_admission_waits(renders: Renders) -> None:
    """Queued jobs do that: only `admit` refuses, and `place` waits behind any number of others."""
    numbers = [renders.begin() for _ in range(10)]
    assert renders.admission.waiting == 8
    for number in numbers:
        renders.gates[number].callback(None)
    assert renders.ended == numbers


def test_a_render_that_fails_gives_its_place_back(renders: Renders) -> None:
    """The next one takes it."""
    for _ in range(3):
        renders.begin()
    renders.gates[0].errback(error := RuntimeError("broken"))
    assert renders.ended == [error]
    assert renders.inside == [1, 2]


def test_a_cancelled_wait_takes_no_place(renders: Renders) -> None:
    """A place that passed to a cancelled render would be lost for ever."""
    for _ in range(4):
        renders.begin()
    renders.begun[2].cancel()
    assert isinstance(renders.ended[0], CancelledError)
    assert renders.admission.waiting == 1
    renders.gates[0].callback(None)
    assert renders.inside == [1, 3]
    renders.gates[1].callback(None)
    renders.gates[3].callback(None)
    renders.begin()
    renders.begin()
    assert renders.inside == [4, 5]


def test_a_wait_has_an_end() -> None:
    """The place in the queue is free then, no place is lost, and a later render has its own time."""
    clock = Clock()
    admission = Admission(1, 1, clock)

    async def hold(gate: Deferred[None], within_s: float) -> None:
        async with admission.place(within_s):
            await gate

    gates: list[Deferred[None]] = [Deferred() for _ in range(3)]
    first, second = (Deferred.fromCoroutine(hold(gate, 5)) for gate in gates[:2])
    with pytest.raises(BusyError):
        admission.check_room()
    clock.advance(5)
    refused: list[Any] = []
    second.addErrback(lambda failure: refused.append(failure.value))
    assert isinstance(refused[0], BusyError)
    assert admission.waiting == 0
    admission.check_room()
    third = Deferred.fromCoroutine(hold(gates[2], 5))
    gates[0].callback(None)
    gates[2].callback(None)
    assert first.called
    assert third.called
    assert (admission.busy, clock.getDelayedCalls()) == (0, [])


def test_retry_after_follows_recent_renders() -> None:
    """A second where renders are quick; else as long as those before it will take; a minute at most."""
    clock = Clock()
    admission = Admission(2, 9, clock)

    async def render(gate: Deferred[None]) -> None:
        async with admission.place():
            await gate

    def begin(count: int) -> list[Deferred[None]]:
        gates: list[Deferred[None]] = [Deferred() for _ in range(count)]
        for gate in gates:
            Deferred.fromCoroutine(render(gate))
        return gates

    for _ in range(50):
        [gate] = begin(1)
        clock.advance(0.1)
        gate.callback(None)
    gates = begin(6)
    assert admission.retry_after_s == 1
    clock.advance(4)
    assert admission.retry_after_s == 12
    clock.advance(100)
    assert admission.retry_after_s == 60
    for gate in gates:
        gate.callback(None)


@settings(deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(["render", "end", "fail", "leave"]), st.integers(0, 9))))
def test_no_place_is_lost_or_doubled(size: int, steps: list[tuple[str, int]]) -> None:
    """Whatever ends, fails or is cancelled: no place is free while a render waits, and none has two renders."""
    renders = Renders(size, 0)
    for step, pick in steps:
        open_ones = [number for number, render in enumerate(renders.begun) if not render.called]
        if step == "render":
            renders.begin()
        elif step == "leave" and open_ones:
            renders.begun[open_ones[pick % len(open_ones)]].cancel()
        elif renders.inside:
            gate = renders.gates[renders.inside[pick % len(renders.inside)]]
            gate.callback(None) if step == "end" else gate.errback(RuntimeError("broken"))
        still = sum(not render.called for render in renders.begun)
        assert (len(renders.inside), renders.admission.waiting) == (min(still, size), max(still - size, 0))
