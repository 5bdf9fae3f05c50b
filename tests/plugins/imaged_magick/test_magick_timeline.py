"""An animation lasts as long as its original does in a browser, in the ticks of any format."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imaged_magick.timeline import TimedFrame, Timeline, displayed_ms

durations = st.lists(st.integers(11, 300), min_size=1, max_size=60)


def played(durations_ms: Sequence[int], tick_ms: int = 10, shortest: int = 2) -> list[TimedFrame[int]]:
    """Return the timed frames of pictures 0, 1, 2, … with these durations."""
    timeline = Timeline[int](tick_ms, shortest)
    settled = [timeline.add(number, duration_ms) for number, duration_ms in enumerate(durations_ms)]
    return [frame for frame in settled if frame] + timeline.end()


@pytest.mark.parametrize(("asked_ms", "shown_ms"), [(0, 100), (10, 100), (11, 11), (20, 20), (65535, 65535)])
def test_too_short_frames_last_as_in_browsers(asked_ms: int, shown_ms: int) -> None:
    """A frame of ten milliseconds or less shows for a hundred, as in Blink, Gecko and WebKit."""
    assert displayed_ms(asked_ms) == shown_ms


@given(durations)
@example([85, 11, 11])
def test_total_time_is_kept(durations_ms: list[int]) -> None:
    """No duration is one that browsers lengthen; the total is off by at most the shortest one and half a tick."""
    frames = played(durations_ms)
    assert min(frame.ticks for frame in frames) >= 2
    assert abs(10 * sum(frame.ticks for frame in frames) - sum(durations_ms)) <= 20 + 5


@given(durations)
def test_webp_keeps_each_duration(durations_ms: list[int]) -> None:
    """With fine enough ticks, every picture keeps its exact duration."""
    assert [frame.ticks for frame in played(durations_ms, 1, 11)] == durations_ms


@given(durations)
def test_first_and_last_picture_stay(durations_ms: list[int]) -> None:
    """The first and the last picture are always kept, and each timed frame has its successor."""
    frames = played(durations_ms)
    assert (frames[0].picture, frames[-1].picture) == (0, len(durations_ms) - 1)
    assert [frame.after for frame in frames] == [*(frame.picture for frame in frames[1:]), None]


def test_sixty_frames_a_second_become_fifty() -> None:
    """Of a film that is too fast for GIF, a sixth of the pictures is dropped, evenly."""
    frames = played([17, 16, 17] * 20)
    assert [frame.ticks for frame in frames] == [2] * 50


def test_extending_the_newest_picture() -> None:
    """A picture without changes extends the one before it."""
    timeline = Timeline[str](10, 2)
    timeline.add("a", 15)
    timeline.extend(15)
    timeline.add("b", 40)
    assert [(frame.picture, frame.ticks) for frame in timeline.end()] == [("a", 3), ("b", 4)]
