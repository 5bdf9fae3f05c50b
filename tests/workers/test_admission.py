"""Renders wait in the order of their arrival, or are refused at once, and no place is ever lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from imaged.core.errors import BusyError
from imaged.workers.admission import RenderPool
from imaged.workers.threads import Threads


class Renders:
    """Renders in a pool, each of which holds its place until its gate fires; `inside` has those that hold one."""

    def __init__(self, pool: RenderPool) -> None:
        self.pool = pool
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
        async with self.pool.place():
            self.inside.append(number)
            try:
                await self.gates[number]
            finally:
                self.inside.remove(number)


@pytest.fixture
def make_renders() -> Iterator[Callable[[int, int], Renders]]:
    """Return what makes renders in a pool with so many threads and so many places to wait."""
    made: list[Threads] = []

    def make(threads: int, queue: int) -> Renders:
        made.append(Threads(Clock(), "render", threads))
        return Renders(RenderPool(made[-1], queue, Clock()))

    yield make
    for threads in made:
        threads.stop()


@pytest.fixture
def renders(make_renders: Callable[[int, int], Renders]) -> Renders:
    """Return renders in a pool with two threads and one place to wait."""
    return make_renders(2, 1)


def test_as_many_render_as_there_are_threads(renders: Renders) -> None:
    """The others wait, and come in the order of their arrival."""
    for _ in range(5):
        renders.begin()
    assert (renders.inside, renders.pool.waiting, renders.pool.size) == ([0, 1], 3, 2)
    renders.gates[1].callback(None)
    renders.gates[0].callback(None)
    assert (renders.inside, renders.pool.waiting) == ([2, 3], 1)
    for number in (2, 3, 4):
        renders.gates[number].callback(None)
    assert renders.ended == [1, 0, 2, 3, 4]
    assert renders.pool.waiting == 0


def test_who_finds_no_place_to_wait_is_refused(renders: Renders) -> None:
    """At once, with a hint when to come back; a place that is free again is given again."""
    for _ in range(2):
        renders.pool.admit()
        renders.begin()
    renders.pool.admit()
    renders.begin()
    with pytest.raises(BusyError, match="all 2 render threads are busy and 1 requests wait") as caught:
        renders.pool.admit()
    assert caught.value.retry_after_s >= 1
    renders.gates[0].callback(None)
    renders.pool.admit()


def test_without_places_to_wait_a_free_thread_is_enough(make_renders: Callable[[int, int], Renders]) -> None:
    """A queue of zero refuses only while every thread is busy."""
    renders = make_renders(1, 0)
    renders.pool.admit()
    renders.begin()
    with pytest.raises(BusyError):
        renders.pool.admit()


def test_a_promised_render_is_never_refused(renders: Renders) -> None:
    """A place is waited for however many wait already: only who asks for admission is refused."""
    numbers = [renders.begin() for _ in range(10)]
    assert renders.pool.waiting == 8
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


def test_who_stops_waiting_takes_no_place(renders: Renders) -> None:
    """A place that passes to one who has left would be lost for ever."""
    for _ in range(4):
        renders.begin()
    renders.begun[2].cancel()
    assert isinstance(renders.ended[0], CancelledError)
    assert renders.pool.waiting == 1
    renders.gates[0].callback(None)
    assert renders.inside == [1, 3]
    renders.gates[1].callback(None)
    renders.gates[3].callback(None)
    renders.begin()
    renders.begin()
    assert renders.inside == [4, 5]


def test_who_waits_too_long_is_refused() -> None:
    """The place in the queue is free, and no thread is lost; who comes later has its own time."""
    clock = Clock()
    pool = RenderPool(Threads(clock, "render", 1), 1, clock)

    async def hold(gate: Deferred[None], within_s: float) -> None:
        async with pool.place(within_s):
            await gate

    gates: list[Deferred[None]] = [Deferred() for _ in range(3)]
    first, second = (Deferred.fromCoroutine(hold(gate, 5)) for gate in gates[:2])
    with pytest.raises(BusyError):
        pool.admit()
    clock.advance(5)
    refused: list[Any] = []
    second.addErrback(lambda failure: refused.append(failure.value))
    assert isinstance(refused[0], BusyError)
    assert pool.waiting == 0
    pool.admit()
    third = Deferred.fromCoroutine(hold(gates[2], 5))
    gates[0].callback(None)
    gates[2].callback(None)
    assert first.called
    assert third.called
    assert (pool.busy, clock.getDelayedCalls()) == (0, [])


def test_when_to_come_back_is_what_renders_took_lately() -> None:
    """A second where renders are quick; else as long as those before take on these threads; a minute at most."""
    clock = Clock()
    pool = RenderPool(Threads(clock, "render", 2), 9, clock)

    async def render(gate: Deferred[None]) -> None:
        async with pool.place():
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
    assert pool.retry_after_s == 1
    clock.advance(4)
    assert pool.retry_after_s == 12
    clock.advance(100)
    assert pool.retry_after_s == 60
    for gate in gates:
        gate.callback(None)


@settings(deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(["render", "end", "fail", "leave"]), st.integers(0, 9))))
def test_no_place_is_lost_or_doubled(threads: int, steps: list[tuple[str, int]]) -> None:
    """Whatever ends, fails or leaves: no thread is idle while somebody waits, and none has two renders."""
    pool = Threads(Clock(), "render", threads)
    renders = Renders(RenderPool(pool, 0, Clock()))
    try:
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
            assert (len(renders.inside), renders.pool.waiting) == (min(still, threads), max(still - threads, 0))
    finally:
        pool.stop()
