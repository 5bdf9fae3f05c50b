"""Totals of intervals: where events count, which totals are sent again, and which are dropped."""

from __future__ import annotations

import threading

import pytest
from twisted.internet.task import Clock

from imaged.api import OutputRendered, RequestFailed
from imaged_graphite.slots import MAXIMUM_SLOTS, REMEMBERED, Slots

RENDERED = OutputRendered("p", "x300.jpg", "jpg", 0.0125)
UNCOUNTED = RequestFailed("p", None, 415, "post")


@pytest.fixture
def clock() -> Clock:
    """Return the clock, in the middle of an interval."""
    clock = Clock()
    clock.rightNow = 1_000_005.0
    return clock


@pytest.fixture
def slots(clock: Clock) -> Slots:
    """Return slots of 10 seconds."""
    return Slots(10, clock.seconds)


def requests(slots: Slots) -> dict[int, int]:
    """Return the number of requests in each interval that carbon does not have."""
    return {each.began_s: each.counted.counts["image_request"] for each in slots.changed()}


def test_the_first_interval_is_another_process_s(slots: Slots, clock: Clock) -> None:
    """Its events count in the next."""
    slots.record(RENDERED)
    clock.rightNow = 1_000_010
    slots.record(RENDERED)
    clock.rightNow = 1_000_019.99
    slots.record(RENDERED)
    clock.rightNow = 1_000_020
    slots.record(RENDERED)
    assert requests(slots) == {1_000_010: 3, 1_000_020: 1}


def test_a_total_that_has_grown_is_sent_again(slots: Slots, clock: Clock) -> None:
    """The total is sent, also if it grew during the send."""
    clock.rightNow = 1_000_010
    slots.record(RENDERED)
    (before,) = slots.changed()
    slots.record(RENDERED)
    slots.sent(before)
    assert requests(slots) == {1_000_010: 2}
    (after,) = slots.changed()
    slots.sent(after)
    slots.sent(before)  # by another sink, later
    assert slots.changed() == []


def test_an_event_without_a_metric_changes_nothing(slots: Slots) -> None:
    """Most requests have none, and cause no send."""
    slots.record(UNCOUNTED)
    assert slots.changed() == []


def test_doubt_sends_again_what_carbon_may_have_lost(slots: Slots, clock: Clock) -> None:
    """Every kept interval is sent again."""
    for number in range(1, 2 * REMEMBERED):
        clock.rightNow = 1_000_000 + 10 * number
        slots.record(RENDERED)
        for each in slots.changed():
            slots.sent(each)
    slots.resend_all()
    assert len(slots.changed()) == REMEMBERED + 1
    assert max(requests(slots)) == 1_000_000 + 10 * (2 * REMEMBERED - 1)
    assert slots.dropped == 0


def test_a_carbon_that_is_away_for_long_costs_the_oldest(slots: Slots, clock: Clock) -> None:
    """Their number is known."""
    for number in range(1, MAXIMUM_SLOTS + 4):
        clock.rightNow = 1_000_000 + 10 * number
        slots.record(RENDERED)
    assert len(slots.changed()) == MAXIMUM_SLOTS
    assert min(requests(slots)) == 1_000_040
    assert slots.dropped == 3


def test_a_clock_that_is_set_back(slots: Slots, clock: Clock) -> None:
    """Events add to the kept interval of that time, or begin a new one."""
    for number in range(1, MAXIMUM_SLOTS + 4):
        clock.rightNow = 1_000_000 + 10 * number
        slots.record(RENDERED)
    clock.rightNow = 1_000_045
    slots.record(RENDERED)
    assert requests(slots)[1_000_040] == 2
    clock.rightNow = 500_000
    slots.record(RENDERED)
    assert requests(slots)[500_000] == 1


def test_two_sinks_at_once_lose_nothing(slots: Slots, clock: Clock) -> None:
    """Two generations record, each on its thread, while one of them sends."""
    clock.rightNow = 1_000_010

    def work() -> None:
        for _ in range(2000):
            slots.record(RENDERED)
            for each in slots.changed():
                slots.sent(each)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    slots.resend_all()
    assert requests(slots) == {1_000_010: 4000}
