"""The sampler sums up samples, CPU time and wall time by thread and stack."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from decoded import Decoded, decode

from imaged.profiling.calls import cpu_time_ns
from imaged.profiling.pprof import encode
from imaged.profiling.sampler import PERIOD_NS, UNITS, Sampler, sample

MS = 1_000_000


@contextmanager
def running(work: Callable[[Event], object], name: str) -> Iterator[Thread]:
    """Run `work` in a thread, and set its event at the end of the block."""
    end = Event()
    thread = Thread(target=work, args=(end,), name=name)
    thread.start()
    try:
        yield thread
    finally:
        end.set()
        thread.join()


def spin(end: Event) -> None:
    """Use CPU time without a pause."""
    while not end.is_set():
        sum(range(1000))


def rest(end: Event) -> None:
    """Use no CPU time."""
    end.wait()


def real(duration_ns: int, stop: Event | None = None) -> Decoded:
    """Return a profile taken with the clocks of this machine."""
    return decode(encode(sample(duration_ns, stop or Event(), time.monotonic_ns, time.time_ns, cpu_time_ns)))


def test_cpu_time_is_charged_to_the_working_thread() -> None:
    """Both threads have all samples and the wall time; only the busy one has CPU time."""
    with running(spin, "busy") as busy, running(rest, "idle"):
        before_ns = cpu_time_ns(busy.native_id) or 0
        while (cpu_time_ns(busy.native_id) or 0) <= before_ns:
            time.sleep(0.001)
        profile = real(300 * MS)
    by_thread = {
        name: [sum(values[place] for thread, _, values in profile.samples if thread == name) for place in range(3)]
        for name in ("busy", "idle")
    }
    assert by_thread["busy"][1] > 0
    assert by_thread["busy"][1] > 20 * by_thread["idle"][1]
    assert by_thread["busy"][0] == by_thread["idle"][0] > 0
    assert by_thread["busy"][2] == by_thread["idle"][2] == profile.duration_ns >= 300 * MS
    assert profile.weight_of("test_sampler.spin", 1) == by_thread["busy"][1]


def test_names_files_and_lines_are_those_of_the_code() -> None:
    """Stacks run from the innermost call to the first call of the thread."""
    with running(rest, "idle"):
        profile = real(30 * MS)
    (calls,) = [calls for thread, calls, _ in profile.samples if thread == "idle"]
    names = [name.rpartition(".")[2] for name, *_ in calls]
    assert names[-4:] == ["rest", "run", "_bootstrap_inner", "_bootstrap"]
    (call,) = [call for call in calls if call[0].endswith("test_sampler.rest")]
    first = rest.__code__.co_firstlineno
    assert call == (f"{rest.__module__}.rest", __file__, first + 2, first)


def test_the_profile_says_how_it_was_taken() -> None:
    """Its period is a hundredth of a second, and its default unit is CPU time."""
    profile = real(20 * MS)
    assert tuple(profile.units) == tuple(map(tuple, UNITS))
    assert (profile.default, profile.period) == ("cpu", ("cpu", "nanoseconds", PERIOD_NS))


def test_the_sampler_is_left_out() -> None:
    """Its own thread would be busy in every sample."""
    profile = real(30 * MS)
    assert threading.current_thread().name not in {thread for thread, _, _ in profile.samples}
    assert profile.weight_of("Sampler.look") == 0


def test_stop_ends_the_profile() -> None:
    """The profile has the samples so far."""
    stop = Event()
    stop.set()
    assert real(3600 * 10**9, stop).duration_ns == 0


def test_a_late_look_charges_the_whole_time() -> None:
    """Missed looks are not repeated: the stack gets all wall time since the last look."""
    moments = iter([0, 0, 10 * MS, 500 * MS, 1000 * MS])
    with running(rest, "idle"):
        profile = decode(
            encode(sample(900 * MS, Event(), lambda: next(moments), lambda: 7, lambda _: None)),
        )
    (values,) = [values for thread, _, values in profile.samples if thread == "idle"]
    assert values[2] == profile.duration_ns


def test_cpu_time_that_cannot_be_known_is_none() -> None:
    """A system without thread clocks still has wall time."""
    sampler = Sampler(lambda _: None)
    with running(rest, "idle"):
        sampler.look(0)
        sampler.look(10 * MS)
        values = [each.values for each in sampler.samples() if each.thread == "idle"]
    assert values == [(1, 0, 10 * MS)]


def test_a_thread_that_begins_meanwhile_counts_from_its_beginning() -> None:
    """All its CPU time belongs to the profile, since it did not exist before."""
    sampler = Sampler(lambda _: 3 * MS)
    sampler.look(0)
    with running(rest, "late"):
        sampler.look(10 * MS)
        values = [each.values for each in sampler.samples() if each.thread == "late"]
    assert values == [(1, 3 * MS, 10 * MS)]


def test_a_thread_that_has_ended_has_no_clock() -> None:
    """The clock of a thread that is unknown or of another process is None, too."""
    assert cpu_time_ns(1 << 22) is None  # Linux has no higher ids
    assert cpu_time_ns(os.getppid()) is None
    assert cpu_time_ns(None) is None
    own_ns = cpu_time_ns(threading.get_native_id())
    assert own_ns is not None
    assert 0 < own_ns <= time.thread_time_ns()
