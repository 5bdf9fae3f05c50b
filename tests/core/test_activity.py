"""The figures of the status page add up."""

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
    """Return an activity that has counted nothing."""
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
    """Ending tells how long it took; failures are counted among all."""
    good, bad = activity.begin("a"), activity.begin("a")
    clock.advance(1.5)
    assert activity.end(good) == 1.5
    assert activity.end(bad, failed=True) == 1.5
    assert (activity.current, activity.total, activity.failed) == (0, 2, 1)


def test_nothing_ends_twice(activity: Activity[str]) -> None:
    """A token is good for one end, or the figures would drift."""
    token = activity.begin("a")
    activity.end(token)
    with pytest.raises(KeyError):
        activity.end(token)
    assert activity.total == 1


def test_a_block_is_tracked_to_its_end(activity: Activity[str]) -> None:
    """It is in flight inside, and done after."""
    with activity.track("a"):
        assert activity.current == 1
    assert (activity.current, activity.total, activity.failed) == (0, 1, 0)


@pytest.mark.parametrize("error", [RuntimeError, GeneratorExit, KeyboardInterrupt])
def test_a_block_that_raises_has_failed(activity: Activity[str], error: type[BaseException]) -> None:
    """Whatever it raises passes through, even the end of a coroutine that was cancelled."""
    with pytest.raises(error), activity.track("a"):
        raise error
    assert (activity.current, activity.total, activity.failed) == (0, 1, 1)
