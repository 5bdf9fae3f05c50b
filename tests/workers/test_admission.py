"""Clients are served in time or refused at once, before queued jobs, which are not starved; no place is lost."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from imaged.core.errors import BusyError
from imaged.workers.admission import JOB_SLICE_S, LEAD, Admission
from imaged.workers.callers import Callers


class Renders:
    """Renders that each hold a place until their gate fires; `inside` lists those that hold one."""

    def __init__(self, size: int, queue: int, timeout_s: float = 30) -> None:
        self.clock = Clock()
        self.admission = Admission(size, queue, timeout_s, self.clock)
        self.inside: list[int] = []
        self.gates: list[Deferred[None]] = []
        self.begun: list[Deferred[None]] = []
        self.callers: list[Callers] = []
        self.ended: list[Any] = []

    def begin(self, *, client_waits: bool = True, within_s: float = math.inf) -> int:
        """Begin a render for a client or a queued job, or let it wait; return its number."""
        number = len(self.gates)
        self.gates.append(Deferred())
        self.callers.append(Callers())
        self.callers[-1].join(client_waits=client_waits)
        render = Deferred.fromCoroutine(self._render(number, within_s))
        render.addCallbacks(lambda _: self.ended.append(number), lambda failure: self.ended.append(failure.value))
        self.begun.append(render)
        return number

    def begin_jobs(self, count: int) -> list[int]:
        """Begin renders for queued jobs."""
        return [self.begin(client_waits=False) for _ in range(count)]

    def end(self, number: int, after_s: float = 0) -> None:
        """End a render that holds a place."""
        self.clock.advance(after_s)
        self.gates[number].callback(None)

    async def _render(self, number: int, within_s: float) -> None:
        async with self.admission.place(within_s, self.callers[number]):
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
    with pytest.raises(BusyError, match=r"all render threads \(2\) are busy, and 1 requests wait") as caught:
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
    """Only `check_room` refuses, and `place` waits behind any number of others."""
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
    renders = Renders(1, 1)
    first, second = (renders.begin(within_s=5) for _ in range(2))
    with pytest.raises(BusyError):
        renders.admission.check_room()
    renders.clock.advance(5)
    assert isinstance(renders.ended[0], BusyError)
    assert renders.begun[second].called
    assert renders.admission.waiting == 0
    renders.admission.check_room()
    third = renders.begin(within_s=5)
    renders.end(first)
    renders.end(third)
    assert renders.ended[1:] == [first, third]
    assert (renders.admission.busy, renders.clock.getDelayedCalls()) == (0, [])


def test_clients_come_before_jobs() -> None:
    """A job that came first waits; jobs among themselves keep their order."""
    renders = Renders(1, 9)
    running = renders.begin()
    first, second = renders.begin_jobs(2)
    client = renders.begin()
    assert (renders.admission.waiting, renders.admission.clients_waiting) == (3, 1)
    for number in (running, client, first, second):
        renders.end(number)
    assert renders.ended == [running, client, first, second]


def test_jobs_get_a_tenth_of_the_time() -> None:
    """Clients that never stop coming do not starve the jobs: nine seconds for clients, one for a job."""
    renders = Renders(1, 9)
    renders.begin()
    renders.begin_jobs(4)
    order = ""
    for _ in range(32):
        renders.begin()
        by_job = not renders.callers[renders.inside[0]].client_waits
        order += "j" if by_job else "c"
        renders.end(renders.inside[0], after_s=1)
    assert order == "cj" + 3 * "cccccccccj"


def test_one_job_at_a_time_goes_before_clients() -> None:
    """Though all the jobs have waited long enough."""
    renders = Renders(3, 9)
    clients = [renders.begin() for _ in range(6)]
    jobs = renders.begin_jobs(3)
    renders.clock.advance(10)
    for number in clients[:3]:
        renders.end(number)
    assert renders.inside == [jobs[0], clients[3], clients[4]]


def test_jobs_take_no_room_of_clients() -> None:
    """Any number of them waits, and the whole queue is for requests."""
    renders = Renders(1, 1)
    renders.begin_jobs(5)
    renders.admission.check_room()
    renders.begin()
    with pytest.raises(BusyError, match="1 requests wait"):
        renders.admission.check_room()


def test_a_job_that_a_client_waits_for_counts_as_a_client() -> None:
    """From the moment that the client joins it; when the client leaves, it is a job again."""
    renders = Renders(1, 9)
    running = renders.begin()
    first, second = renders.begin_jobs(2)
    renders.callers[second].join(client_waits=True)
    assert renders.admission.clients_waiting == 1
    renders.end(running)
    assert renders.inside == [second]
    third = renders.begin_jobs(1)[0]
    renders.callers[third].join(client_waits=True)
    renders.callers[third].leave(client_waits=True)
    renders.end(second)
    assert renders.inside == [first]


def test_a_job_gives_way_to_clients() -> None:
    """After its slice, while a client waits for another output; renders of clients never do."""
    renders = Renders(2, 9)
    (job,) = renders.begin_jobs(1)
    client = renders.begin()
    admission, callers = renders.admission, renders.callers
    renders.clock.advance(JOB_SLICE_S)
    assert not admission.should_give_way(callers[job])
    waiting = renders.begin()
    assert admission.should_give_way(callers[job])
    assert not admission.should_give_way(callers[client])
    assert not admission.should_give_way(callers[waiting])
    callers[job].join(client_waits=True)
    assert not admission.should_give_way(callers[job])
    callers[job].leave(client_waits=True)
    renders.end(client)
    (other,) = renders.begin_jobs(1)
    renders.end(waiting)
    renders.begin()
    assert admission.should_give_way(callers[job])
    assert not admission.should_give_way(callers[other]), "it has just begun"


def test_the_last_caller_that_leaves_frees_the_place_in_the_queue() -> None:
    """Not the first of two; a queued job counts as one."""
    renders = Renders(1, 1)
    renders.begin()
    waiting = renders.begin()
    renders.callers[waiting].join(client_waits=False)
    renders.callers[waiting].leave(client_waits=True)
    assert renders.admission.waiting == 1
    renders.callers[waiting].leave(client_waits=False)
    assert renders.admission.waiting == 0
    assert isinstance(renders.ended[0], BusyError)
    renders.admission.check_room()


def test_a_render_that_runs_is_not_ended_by_a_caller_that_leaves() -> None:
    """It keeps its place, and a further one without callers gets none, though a place is free."""
    renders = Renders(2, 1)
    running = renders.begin()
    renders.callers[running].leave(client_waits=True)
    assert renders.inside == [running]
    renders.end(running)
    renders.gates.append(Deferred())
    again = Deferred.fromCoroutine(renders._render(running, math.inf))
    again.addErrback(lambda failure: renders.ended.append(failure.value))
    assert isinstance(renders.ended[1], BusyError)
    assert renders.admission.busy == 0


def test_retry_after_follows_the_queue() -> None:
    """As long as the renders before it will take, by the time of recent ones: a second at least, a minute at most."""
    renders = Renders(2, 1000)
    for _ in range(50):
        renders.end(renders.begin(), after_s=0.5)
    assert renders.admission.retry_after_s == 1
    for _ in range(2 + 10):
        renders.begin()
    assert renders.admission.retry_after_s == 3
    for _ in range(28):
        renders.begin()
    assert renders.admission.retry_after_s == 10
    renders.begin_jobs(50)
    assert renders.admission.retry_after_s == 10, "jobs come after clients"
    for _ in range(300):
        renders.begin()
    assert renders.admission.retry_after_s == 60


def test_a_render_that_runs_long_counts_before_it_ends() -> None:
    """Else a queue behind two slow renders would look as short as before."""
    renders = Renders(2, 9)
    for _ in range(50):
        renders.end(renders.begin(), after_s=0.1)
    for _ in range(6):
        renders.begin()
    assert renders.admission.retry_after_s == 1
    renders.clock.advance(100)
    assert renders.admission.retry_after_s == math.ceil((50 * 0.1 + 2 * 100) / 52 * 6 / 2)


def test_a_client_that_cannot_be_served_in_time_is_refused_at_once() -> None:
    """By the measured time: eleven renders of five seconds that wait for two threads leave it too little."""
    renders = Renders(2, 1000, timeout_s=30)
    for _ in range(50):
        renders.end(renders.begin(), after_s=5)
    for _ in range(2 + 10):
        renders.admission.check_room()
        renders.begin()
    renders.admission.check_room()
    renders.begin()
    with pytest.raises(BusyError, match=r"would take about 32 s: try again") as caught:
        renders.admission.check_room()
    assert caught.value.retry_after_s == math.ceil(13 * 5 / 2)


def test_a_client_that_gets_no_place_in_time_is_refused_when_that_turns_out() -> None:
    """Not at the end of its time: nothing was measured when it came. Jobs wait as long as it takes."""
    renders = Renders(1, 100)
    clients = [renders.begin(within_s=3) for _ in range(20)]
    jobs = renders.begin_jobs(10)
    renders.end(clients[0], after_s=0.9)
    assert renders.inside == [clients[1]]
    assert (renders.admission.clients_waiting, renders.admission.waiting) == (3, 3 + len(jobs))
    refused = renders.ended[:-1]
    assert [type(error) for error in refused] == [BusyError] * 15
    assert [error.retry_after_s for error in refused] == [math.ceil(0.9 * (1 + ahead)) for ahead in range(18, 3, -1)]


def test_one_slow_render_refuses_no_client() -> None:
    """It is one of fifty."""
    renders = Renders(1, 100, timeout_s=30)
    for _ in range(50):
        renders.end(renders.begin(), after_s=0.05)
    renders.end(renders.begin(), after_s=30)
    for _ in range(40):
        renders.admission.check_room()
        renders.begin()


def test_a_free_place_refuses_no_client() -> None:
    """However slow the renders were: the next may be quick."""
    renders = Renders(1, 100, timeout_s=30)
    for _ in range(50):
        renders.end(renders.begin(), after_s=35)
    renders.admission.check_room()
    renders.begin()
    with pytest.raises(BusyError):
        renders.admission.check_room()


def test_a_full_queue_needs_no_measured_render() -> None:
    """A daemon that has just started takes as many as `render.queue` allows, on one thread too."""
    renders = Renders(1, 100, timeout_s=30)
    for _ in range(1 + 100):
        renders.admission.check_room()
        renders.begin()
    with pytest.raises(BusyError, match="100 requests wait"):
        renders.admission.check_room()


class Model:
    """Random callers of an admission. Each place that is given is checked, and `places` has the history.

    A place is (by a job?, when it began, when it ended).
    """

    def __init__(self, size: int) -> None:
        self.renders = Renders(size, 0)
        self.places: dict[int, tuple[bool, float, float | None]] = {}
        self.size = size

    def open_ones(self) -> list[int]:
        """Return the renders that have not ended."""
        return [number for number, render in enumerate(self.renders.begun) if not render.called]

    def step(self, step: str, pick: int) -> None:
        """Take one step, and check what it changed."""
        renders, open_ones = self.renders, self.open_ones()
        if step == "wait":
            renders.clock.advance(pick / 2)
        elif step in {"client", "job"}:
            renders.begin(client_waits=step == "client", within_s=pick if step == "client" else math.inf)
        elif open_ones:
            number = open_ones[pick % len(open_ones)]
            callers = renders.callers[number]
            if step == "join":
                callers.join(client_waits=True)
            elif step == "cancel":
                renders.begun[number].cancel()
            elif step == "leave" and not callers.gone:
                callers.leave(client_waits=callers.client_waits)
            elif renders.inside and step in {"end", "fail"}:
                gate = renders.gates[renders.inside[pick % len(renders.inside)]]
                gate.callback(None) if step == "end" else gate.errback(RuntimeError("broken"))
        self.check()

    def check(self) -> None:
        """No place is lost or held twice, and each new one went to the right render."""
        renders, still = self.renders, len(self.open_ones())
        assert len(renders.inside) == renders.admission.busy == min(still, self.size)
        assert renders.admission.waiting == max(still - self.size, 0)
        now_s = renders.clock.seconds()
        for number, (by_job, began_s, ended_s) in self.places.items():
            if ended_s is None and number not in renders.inside:
                self.places[number] = (by_job, began_s, now_s)
        waiting = [number for number in self.open_ones() if number not in renders.inside]
        for number in renders.inside:
            if number not in self.places:
                by_job = not renders.callers[number].client_waits
                same = [each for each in waiting if renders.callers[each].client_waits != by_job]
                assert not same or number < min(same), "its kind is served in the order of arrival"
                if by_job and len(same) < len(waiting):
                    self._check_turn(number)
                self.places[number] = (by_job, now_s, None)

    def _check_turn(self, number: int) -> None:
        """Check a job that went before a client."""
        assert not any(by_job and ended_s is None for by_job, _, ended_s in self.places.values()), number
        jobs = [
            (ended_s, began_s) for by_job, began_s, ended_s in self.places.values() if by_job and ended_s is not None
        ]
        last_s, began_s = max(jobs, default=(0.0, 0.0))
        clients_s = sum(
            ended_s - since_s
            for by_job, since_s, ended_s in self.places.values()
            if not by_job and ended_s is not None and ended_s >= last_s
        )
        assert clients_s >= max(LEAD * (last_s - began_s), JOB_SLICE_S), number


STEPS = ["client", "client", "job", "join", "leave", "cancel", "end", "end", "fail", "wait"]


@settings(deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9))))
def test_no_place_is_lost_and_no_job_starves(size: int, steps: list[tuple[str, int]]) -> None:
    """Whatever arrives, leaves, ends, fails, is cancelled or runs out of time, in any order.

    No place is free while a render waits, and none has two. Clients come before jobs, which get their turn though
    another client always waits.
    """
    model = Model(size)
    for step, pick in steps:
        model.step(step, pick)
    renders = model.renders
    jobs = [number for number in model.open_ones() if not renders.callers[number].client_waits]
    longest_s = 10.0 * len(steps) + 1
    for _ in range(int(LEAD * longest_s + 1) * (len(jobs) + 1)):
        if not any(number in model.open_ones() and number not in renders.inside for number in jobs):
            break
        model.step("client", 9)
        model.step("wait", 2)
        model.step("end", 0)
    assert not [number for number in jobs if number in model.open_ones() and number not in renders.inside]
    while renders.inside:
        model.step("end", 0)
    assert (renders.admission.busy, renders.admission.waiting, model.open_ones()) == (0, 0, [])
    assert renders.clock.getDelayedCalls() == []
