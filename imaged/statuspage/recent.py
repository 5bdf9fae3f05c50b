"""Keeps the last errors of requests and jobs, for the status page."""

from __future__ import annotations

from collections import deque

from imaged.core.snapshot import RecentError

KEPT = 20
"""How many errors of each kind are kept: frequent refusals must not push out the server's own failures."""

_FAILED = 500


class RecentErrors:
    """The last KEPT refusals (4xx) and the last KEPT failures (5xx). Reactor thread only."""

    def __init__(self) -> None:
        self._refusals: deque[RecentError] = deque(maxlen=KEPT)
        self._failures: deque[RecentError] = deque(maxlen=KEPT)

    def add(self, error: RecentError) -> None:
        """Keep `error`."""
        (self._failures if error.status >= _FAILED else self._refusals).append(error)

    @property
    def newest_first(self) -> list[RecentError]:
        """The kept errors."""
        return sorted([*self._refusals, *self._failures], key=lambda error: error.at, reverse=True)
