"""How deaths of worker processes are counted."""

from __future__ import annotations

from twisted.internet.task import Clock

from imaged.core.worker_deaths import MOST_RECENT, RECENT_S, WorkerDeaths


def test_deaths_are_counted_by_cause_and_recent_ones_for_a_while() -> None:
    """The counts by cause grow; a death is recent for RECENT_S seconds, and at most MOST_RECENT of them are."""
    clock = Clock()
    deaths = WorkerDeaths(clock.seconds)
    deaths.add("SIGSEGV")
    clock.advance(RECENT_S)
    deaths.add("late")
    assert deaths.recent == 2
    clock.advance(1)
    assert deaths.recent == 1
    for _ in range(MOST_RECENT):
        deaths.add("late")
    assert deaths.recent == MOST_RECENT
    assert deaths.by_cause == {"SIGSEGV": 1, "late": MOST_RECENT + 1}
