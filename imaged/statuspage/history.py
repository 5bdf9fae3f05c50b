"""How much was done in each interval of the last quarter of an hour: the charts of the status page."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

INTERVAL_S = 10.0
"""The seconds of one point of a chart."""

POINTS = 90
"""How many points a chart has: a quarter of an hour."""

RATE_POINTS = 6
"""Over how many of them a rate is taken: a minute."""


class History:
    """Keeps what totals grew by. `totals` are those of the beginning; `sample` is called every INTERVAL_S."""

    def __init__(self, totals: Mapping[str, int]) -> None:
        self._before = dict(totals)
        self._points: dict[str, deque[int]] = {name: deque(maxlen=POINTS) for name in totals}

    def sample(self, totals: Mapping[str, int]) -> None:
        """Take the next point of each chart."""
        for name, total in totals.items():
            self._points[name].append(total - self._before[name])
        self._before = dict(totals)

    @property
    def points(self) -> Mapping[str, Sequence[int]]:
        """What was done in each interval, the oldest first; fewer than POINTS when the process is young."""
        return {name: list(points) for name, points in self._points.items()}

    @property
    def rates_per_s(self) -> Mapping[str, float]:
        """What was done in a second, over the last RATE_POINTS points or as many as there are; 0.0 before the first."""
        return {name: _rate_per_s(list(points)[-RATE_POINTS:]) for name, points in self._points.items()}


def _rate_per_s(points: Sequence[int]) -> float:
    return round(sum(points) / (INTERVAL_S * len(points)), 3) if points else 0.0
