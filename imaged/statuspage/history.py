"""Counts the work of each interval of the last quarter of an hour, for the charts of the status page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TypeVar

from imaged.core.snapshot import PerKind

T = TypeVar("T")

INTERVAL_S = 10.0
"""The seconds of one point of a chart."""

POINTS = 90
"""How many points a chart has: a quarter of an hour."""

RATE_POINTS = 6
"""How many points a rate is averaged over: a minute."""

_KINDS = tuple(each.name for each in fields(PerKind))


class History:
    """Keeps the growth of totals. `totals` are the first ones; call `sample` every INTERVAL_S."""

    def __init__(self, totals: PerKind[int]) -> None:
        self._before = totals
        self._points: deque[PerKind[int]] = deque(maxlen=POINTS)

    def sample(self, totals: PerKind[int]) -> None:
        """Add the next point to each chart."""
        before, self._before = self._before, totals
        self._points.append(_each_kind(lambda kind: getattr(totals, kind) - getattr(before, kind)))

    @property
    def points(self) -> PerKind[Sequence[int]]:
        """The growth in each interval, the oldest first; fewer than POINTS in a young process."""
        return _each_kind(lambda kind: [getattr(point, kind) for point in self._points])

    @property
    def rates_per_s(self) -> PerKind[float]:
        """The growth per second over the last RATE_POINTS points, or over all there are; 0.0 before the first."""
        points = self.points
        return _each_kind(lambda kind: _rate_per_s(getattr(points, kind)[-RATE_POINTS:]))


def _each_kind(value_of: Callable[[str], T]) -> PerKind[T]:
    return PerKind(**{kind: value_of(kind) for kind in _KINDS})


def _rate_per_s(points: Sequence[int]) -> float:
    return round(sum(points) / (INTERVAL_S * len(points)), 3) if points else 0.0
