"""Counts of work in flight and done."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from imaged.core.activity import Activity, Running


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test moves."""
    return Clock()


@pytest.fixture
def activity(clock: Clock) -> Activity[str]:
    """Return a new activity."""
    return Activity(clock.seconds)


def test_what_is_in_flight_is_shown_with_its_age(activity: Activity[str], clock: Clock) -> None:
    """The oldest comes first."""
    activity.begin("old")
    clock.advance(2)
    activity.begin("new")
    clock.advance(1)
    assert activity.running() == [Running("old", 3.0), Running("new", 1.0)]
    assert (activity.current, activity.total, activity.failed) == (2, 0, 0)


def test_what_ended_is_counted(activity: Activity[str], clock: Clock) -> None:
    """`end` returns how long the work took; the total includes failures."""
    good, bad = activity.begin("a"), activity.begin("a")
    clock.advance(1.5)
    assert activity.end(good) == 1.5
    assert activity.end(bad, failed=True) == 1.5
    assert (activity.current, activity.total, activity.failed) == (0, 2, 1)


def test_nothing_ends_twice(activity: Activity[str]) -> None:
    """A token ends once, so that the counts stay right."""
    token = activity.begin("a")
    activity.end(token)
    with pytest.raises(KeyError):
        activity.end(token)
    assert activity.total == 1


def test_what_is_dropped_is_not_counted(activity: Activity[str]) -> None:
    """It was interrupted, and will be counted when it has ended."""
    token = activity.begin("a")
    activity.drop(token)
    assert (activity.current, activity.total, activity.failed) == (0, 0, 0)


def test_a_block_is_tracked_to_its_end(activity: Activity[str]) -> None:
    """The item is in flight inside the block, and done after it."""
    with activity.track("a"):
        assert activity.current == 1
    assert (activity.current, activity.total, activity.failed) == (0, 1, 0)


@pytest.mark.parametrize("error", [RuntimeError, GeneratorExit, KeyboardInterrupt])
def test_a_block_that_raises_has_failed(activity: Activity[str], error: type[BaseException]) -> None:
    """`track` counts a failure and raises the error again, even for a cancelled coroutine."""
    with pytest.raises(error), activity.track("a"):
        raise error
    assert (activity.current, activity.total, activity.failed) == (0, 1, 1)
