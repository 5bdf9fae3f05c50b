"""Counts the work of each interval of the last quarter of an hour, for the charts of the status page."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import fields

from imaged.core.charts import HitRatio, PerKind

INTERVAL_S = 10.0
"""The seconds of one point of a chart."""

POINTS = 90
"""How many points a chart has: a quarter of an hour."""

RATE_POINTS = 6
"""How many points a rate is averaged over: a minute."""


class History:
    """Keeps the growth of totals. `totals` are the first ones; call `sample` every INTERVAL_S."""

    def __init__(self, totals: PerKind[int]) -> None:
        self._before = totals
        self._points: dict[str, deque[int]] = {each.name: deque(maxlen=POINTS) for each in fields(PerKind)}

    def sample(self, totals: PerKind[int]) -> None:
        """Add the next point to each chart."""
        for kind, points in self._points.items():
            points.append(getattr(totals, kind) - getattr(self._before, kind))
        self._before = totals

    @property
    def points(self) -> PerKind[Sequence[int]]:
        """The growth in each interval, the oldest first; fewer than POINTS in a young process."""
        return PerKind(**{kind: list(points) for kind, points in self._points.items()})

    @property
    def rates_per_s(self) -> PerKind[float]:
        """The growth per second over the last RATE_POINTS points, or over all there are; 0.0 before the first."""
        return PerKind(**{kind: _rate_per_s(list(points)[-RATE_POINTS:]) for kind, points in self._points.items()})


def hit_ratio(totals: PerKind[int], points: PerKind[Sequence[int]]) -> HitRatio:
    """Return the share of outputs that had been made before: of all, and of those in the charts."""
    recent = PerKind(**{each.name: sum(getattr(points, each.name)) for each in fields(PerKind)})
    return HitRatio(
        requests=_share(totals.hits, totals.made),
        bytes=_share(totals.hit_bytes, totals.made_bytes),
        recent_requests=_share(recent.hits, recent.made),
        recent_bytes=_share(recent.hit_bytes, recent.made_bytes),
    )


def _share(part: int, rest: int) -> float | None:
    return round(part / (part + rest), 4) if part + rest else None


def _rate_per_s(points: Sequence[int]) -> float:
    return round(sum(points) / (INTERVAL_S * len(points)), 3) if points else 0.0
