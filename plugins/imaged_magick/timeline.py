"""Quantise the durations of an animation to its format's ticks, none so short that browsers lengthen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P")

SLOWED_MS, SLOWED_TO_MS = 10, 100
"""Browsers show a frame of 10 ms or less for 100 ms, since GIFs from before 1996 have such durations.

Blink's `DeferredImageDecoder::FrameDurationAtIndex`, Gecko's `FrameTimeout::FromRawMilliseconds` and WebKit's
`ScalableImageDecoder::frameDurationAtIndex` agree, for every format.
"""


def displayed_ms(duration_ms: int) -> int:
    """Return for how long browsers show a frame of `duration_ms`."""
    return SLOWED_TO_MS if duration_ms <= SLOWED_MS else duration_ms


@dataclass(frozen=True)
class TimedFrame(Generic[P]):
    """A picture, its duration in ticks, and the picture after it, None for the last."""

    picture: P
    ticks: int
    after: P | None


@dataclass
class _Scheduled(Generic[P]):
    """A picture and the tick at which it begins."""

    picture: P
    begin: int


class Timeline(Generic[P]):
    """Gives each picture a duration in ticks of `tick_ms`, at least `shortest` ticks, and keeps the total.

    It rounds the time at which a picture begins, not its duration, so that errors do not add up. It drops a picture
    whose time is over before it may begin, except the last one, on which an animation stops.
    """

    def __init__(self, tick_ms: int, shortest: int) -> None:
        self._tick_ms = tick_ms
        self._shortest = shortest
        self._elapsed_ms = 0
        self._current: _Scheduled[P] | None = None
        self._next: _Scheduled[P] | None = None

    @property
    def newest(self) -> P | None:
        """The last picture that was added and not dropped."""
        scheduled = self._next or self._current
        return scheduled.picture if scheduled else None

    def extend(self, duration_ms: int) -> None:
        """Show the newest picture for another `duration_ms`."""
        self._elapsed_ms += duration_ms

    def add(self, picture: P, duration_ms: int) -> TimedFrame[P] | None:
        """Append a picture. Return a timed frame that no later picture can change, if there is one."""
        begin = self._elapsed_ticks()
        self._elapsed_ms += duration_ms
        if self._current is None:
            self._current = _Scheduled(picture, 0)
            return None
        if self._next is None:
            self._next = _Scheduled(picture, max(begin, self._current.begin + self._shortest))
            return None
        if begin <= self._next.begin:
            self._next.picture = picture
            return None
        frame = self._timed(self._current, self._next)
        self._current, self._next = self._next, _Scheduled(picture, max(begin, self._next.begin + self._shortest))
        return frame

    def end(self) -> list[TimedFrame[P]]:
        """Return the remaining timed frames."""
        frames, end = [], self._elapsed_ticks()
        if self._current and self._next:
            self._next.begin = max(self._current.begin + self._shortest, min(self._next.begin, end - self._shortest))
            frames.append(self._timed(self._current, self._next))
            self._current = self._next
        if self._current:
            frames.append(TimedFrame(self._current.picture, max(end - self._current.begin, self._shortest), None))
        return frames

    def _timed(self, scheduled: _Scheduled[P], after: _Scheduled[P]) -> TimedFrame[P]:
        return TimedFrame(scheduled.picture, after.begin - scheduled.begin, after.picture)

    def _elapsed_ticks(self) -> int:
        return (2 * self._elapsed_ms + self._tick_ms) // (2 * self._tick_ms)
