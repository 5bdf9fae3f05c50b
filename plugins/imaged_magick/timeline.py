"""When each picture of an animation shows: in ticks of its format, and never so short that browsers slow it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P")

SLOWED_MS, SLOWED_TO_MS = 10, 100
"""Browsers show for 100 ms what asks for 10 ms or less, as GIFs from before 1996 do.

Blink's `DeferredImageDecoder::FrameDurationAtIndex`, Gecko's `FrameTimeout::FromRawMilliseconds` and WebKit's
`ScalableImageDecoder::frameDurationAtIndex` agree, for every format.
"""


def displayed_ms(duration_ms: int) -> int:
    """Return for how long browsers show a frame that asks for `duration_ms`."""
    return SLOWED_TO_MS if duration_ms <= SLOWED_MS else duration_ms


@dataclass(frozen=True)
class TimedFrame(Generic[P]):
    """A picture, how many ticks it shows, and the picture that comes after it, None at the end."""

    picture: P
    ticks: int
    after: P | None


@dataclass
class _Shown(Generic[P]):
    """A picture and the tick at which it begins to show."""

    picture: P
    begin: int


class Timeline(Generic[P]):
    """Gives each picture its ticks of `tick_ms` milliseconds, at least `shortest`, so that the sum stays what it was.

    The moment at which a picture begins is rounded, not its duration: errors do not add up. A picture whose time has
    passed before it may begin is left out, but for the last one, at which an animation stops.
    """

    def __init__(self, tick_ms: int, shortest: int) -> None:
        self._tick_ms = tick_ms
        self._shortest = shortest
        self._elapsed_ms = 0
        self._current: _Shown[P] | None = None
        self._next: _Shown[P] | None = None

    @property
    def newest(self) -> P | None:
        """The picture that was added last, unless it was left out."""
        shown = self._next or self._current
        return shown.picture if shown else None

    def extend(self, duration_ms: int) -> None:
        """Show the newest picture for longer."""
        self._elapsed_ms += duration_ms

    def add(self, picture: P, duration_ms: int) -> TimedFrame[P] | None:
        """Show another picture after the newest one. Return a slot that no later picture can change, if any."""
        begin = self._ticks()
        self._elapsed_ms += duration_ms
        if self._current is None:
            self._current = _Shown(picture, 0)
            return None
        if self._next is None:
            self._next = _Shown(picture, max(begin, self._current.begin + self._shortest))
            return None
        if begin <= self._next.begin:
            self._next.picture = picture
            return None
        slot = self._settle(self._current, self._next)
        self._current, self._next = self._next, _Shown(picture, max(begin, self._next.begin + self._shortest))
        return slot

    def end(self) -> list[TimedFrame[P]]:
        """Return the slots that are left."""
        slots, end = [], self._ticks()
        if self._current and self._next:
            self._next.begin = max(self._current.begin + self._shortest, min(self._next.begin, end - self._shortest))
            slots.append(self._settle(self._current, self._next))
            self._current = self._next
        if self._current:
            slots.append(TimedFrame(self._current.picture, max(end - self._current.begin, self._shortest), None))
        return slots

    def _settle(self, shown: _Shown[P], after: _Shown[P]) -> TimedFrame[P]:
        return TimedFrame(shown.picture, after.begin - shown.begin, after.picture)

    def _ticks(self) -> int:
        return (2 * self._elapsed_ms + self._tick_ms) // (2 * self._tick_ms)
