"""The clock of the job queue."""

from __future__ import annotations

from imaged.process.clock import steady_clock


def test_it_advances_evenly_when_the_time_is_set() -> None:
    """It starts at the time of day. A later change of the system's time makes no job late or early."""
    times_s = {"wall": 1_000.0, "even": 7.0}
    seconds = steady_clock(lambda: times_s["wall"], lambda: times_s["even"])
    assert seconds() == 1_000.0
    times_s["wall"] -= 3600
    times_s["even"] += 5
    assert seconds() == 1_005.0
