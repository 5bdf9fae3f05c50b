"""Counts the deaths of worker processes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

RECENT_S = 300.0
"""How long a death is recent."""

MOST_RECENT = 10_000
"""How many recent deaths are counted."""


class WorkerDeaths:
    """Counts worker processes that died in a job, by the cause of WorkerDied. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=MOST_RECENT)
        self.by_cause: Counter[str] = Counter()

    def add(self, cause: str) -> None:
        """Count a death."""
        self.by_cause[cause] += 1
        self._recent.append(self._clock())

    @property
    def recent(self) -> int:
        """How many died in the last RECENT_S seconds."""
        while self._recent and self._clock() - self._recent[0] > RECENT_S:
            self._recent.popleft()
        return len(self._recent)
