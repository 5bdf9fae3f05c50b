"""An animation plays as long as its original does in a browser, whatever the clock of its format."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged_magick.timeline import TimedFrame, Timeline, displayed_ms

durations = st.lists(st.integers(11, 300), min_size=1, max_size=60)


def played(durations_ms: Sequence[int], tick_ms: int = 10, shortest: int = 2) -> list[TimedFrame[int]]:
    """Return the slots of pictures 0, 1, 2, … that ask for these durations."""
    timeline = Timeline[int](tick_ms, shortest)
    settled = [timeline.add(number, duration_ms) for number, duration_ms in enumerate(durations_ms)]
    return [slot for slot in settled if slot] + timeline.end()


@pytest.mark.parametrize(("asked_ms", "shown_ms"), [(0, 100), (10, 100), (11, 11), (20, 20), (65535, 65535)])
def test_browsers_slow_down_what_is_too_quick(asked_ms: int, shown_ms: int) -> None:
    """Ten milliseconds and less are shown for a hundred, in Blink, Gecko and WebKit alike."""
    assert displayed_ms(asked_ms) == shown_ms


@given(durations)
def test_total_time_is_kept(durations_ms: list[int]) -> None:
    """No delay is one that browsers slow down, and the sum is off by less than the shortest of them."""
    slots = played(durations_ms)
    assert min(slot.ticks for slot in slots) >= 2
    assert abs(10 * sum(slot.ticks for slot in slots) - sum(durations_ms)) <= 20


@given(durations)
def test_webp_keeps_each_duration(durations_ms: list[int]) -> None:
    """Where the clock is fine enough every picture shows exactly as long as it asks for."""
    assert [slot.ticks for slot in played(durations_ms, 1, 11)] == durations_ms


@given(durations)
def test_first_and_last_picture_stay(durations_ms: list[int]) -> None:
    """What an animation begins with and what it stops at are always shown, and each slot knows its successor."""
    slots = played(durations_ms)
    assert (slots[0].picture, slots[-1].picture) == (0, len(durations_ms) - 1)
    assert [slot.after for slot in slots] == [*(slot.picture for slot in slots[1:]), None]


def test_sixty_frames_a_second_become_fifty() -> None:
    """A sixth of the pictures of a film that is too quick for a GIF is left out, evenly."""
    slots = played([17, 16, 17] * 20)
    assert [slot.ticks for slot in slots] == [2] * 50


def test_a_picture_shows_for_longer_when_told_so() -> None:
    """What shows nothing new prolongs the picture before it."""
    timeline = Timeline[str](10, 2)
    timeline.add("a", 15)
    timeline.extend(15)
    timeline.add("b", 40)
    assert [(slot.picture, slot.ticks) for slot in timeline.end()] == [("a", 3), ("b", 4)]
