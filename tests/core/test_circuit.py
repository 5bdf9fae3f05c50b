"""A circuit opens when a service fails, admits one trial at a time, and closes when the service answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.circuit import LONGEST_TRIAL_S, OPENS_AFTER, Circuit

LONGEST_PAUSE_S = 5.0

jitters = st.floats(0, 1, exclude_max=True)


@pytest.fixture
def circuit() -> Circuit:
    """Return a new circuit."""
    return Circuit()


def open_at(circuit: Circuit, now_s: float, jitter: float = 0.0) -> None:
    """Let three calls fail."""
    assert all(circuit.admit(now_s) for _ in range(OPENS_AFTER))
    assert [circuit.failed(now_s, jitter, trial=False) for _ in range(OPENS_AFTER)] == [False, False, True]


def test_three_failures_in_a_row_open_it(circuit: Circuit) -> None:
    """Until the third failure every call is admitted; only the failure that opens the circuit returns True."""
    open_at(circuit, 10.0)
    assert circuit.is_open
    assert not circuit.admit(10.0)
    assert not circuit.failed(10.0, 0.0, trial=False)


def test_a_success_between_failures_keeps_it_closed(circuit: Circuit) -> None:
    """Single failures among successes do not open the circuit."""
    for _ in range(10):
        assert not circuit.failed(0.0, 0.0, trial=False)
        assert not circuit.failed(0.0, 0.0, trial=False)
        assert circuit.succeeded(0.0) is None
    assert not circuit.is_open


def test_one_trial_is_let_through_after_the_pause(circuit: Circuit) -> None:
    """A trial waits for the pause, and is the only one."""
    open_at(circuit, 10.0)
    assert not circuit.admit(10.49)
    assert circuit.would_admit(10.5)
    assert circuit.would_admit(10.5)  # to ask is not to be let through
    assert circuit.admit(10.5)
    assert not circuit.would_admit(10.5)
    assert not circuit.admit(10.5 + LONGEST_TRIAL_S - 0.1)


def test_a_trial_that_fails_makes_way_for_the_next(circuit: Circuit) -> None:
    """The pause before the next trial grows."""
    open_at(circuit, 0.0)
    assert circuit.admit(1.0)
    assert not circuit.failed(1.0, 0.0, trial=True)
    assert not circuit.admit(1.99)
    assert circuit.admit(2.0)


def test_a_call_from_before_that_fails_late_makes_no_way(circuit: Circuit) -> None:
    """The first trial still runs, so there is no second one."""
    open_at(circuit, 0.0)
    assert circuit.admit(1.0)
    assert not circuit.failed(1.5, 0.0, trial=False)
    assert not circuit.admit(1.0 + LONGEST_TRIAL_S - 0.1)


def test_a_success_closes_it(circuit: Circuit) -> None:
    """Closing returns how long the circuit was open, once; three more failures open it again."""
    open_at(circuit, 10.0)
    assert circuit.admit(12.0)
    assert circuit.succeeded(15.5) == 5.5
    assert not circuit.is_open
    assert circuit.succeeded(16.0) is None
    open_at(circuit, 20.0)


@given(st.lists(jitters, min_size=1, max_size=100))
def test_the_service_is_never_left_alone_for_long(draws: list[float]) -> None:
    """Each trial begins within five seconds of the last failure, and never immediately."""
    circuit, now_s = Circuit(), 0.0
    open_at(circuit, now_s, draws[0])
    for jitter in draws:
        assert not circuit.would_admit(now_s + 0.4)
        now_s += LONGEST_PAUSE_S
        assert circuit.admit(now_s)
        circuit.failed(now_s, jitter, trial=True)


@given(
    st.lists(st.tuples(st.sampled_from(["call", "answer", "fail"]), st.integers(0, 20), st.floats(0, 3)), max_size=60)
)
def test_there_is_one_trial_at_a_time(steps: list[tuple[str, int, float]]) -> None:
    """Calls may end in any order, as long as none has succeeded since the circuit opened."""
    circuit, now_s, failures = Circuit(), 0.0, 0
    before: list[bool] = []  # calls that run, each with whether it is a trial
    for step, which, later_s in steps:
        now_s += later_s
        if step == "call":
            if circuit.admit(now_s):
                before.append(circuit.is_open)
        elif before:
            trial = before.pop(which % len(before))
            if step == "answer":
                assert (circuit.succeeded(now_s) is not None) == (failures >= OPENS_AFTER)
                failures, before = 0, [False for _ in before]
            else:
                failures += 1
                assert circuit.failed(now_s, 0.5, trial=trial) == (failures == OPENS_AFTER)
        assert circuit.is_open == (failures >= OPENS_AFTER)
        assert sum(before) <= 1


def test_a_trial_that_hangs_does_not_hold_up_the_next(circuit: Circuit) -> None:
    """A hanging trial does not keep out another: the store may have recovered."""
    open_at(circuit, 0.0)
    assert circuit.admit(5.0)
    assert not circuit.would_admit(5.0 + LONGEST_TRIAL_S - 0.1)
    assert circuit.admit(5.0 + LONGEST_TRIAL_S)
