"""The counts of a load."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

SAMPLES = 10


@dataclass
class Tally:
    """Requests by status, and failures by kind. Threads share it."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    """Events that are no failures.

    `moved`: the old address refused the connection, and the new one accepted it.
    `closed`: an answer had `Connection: close`, though the request had not.
    `dropped`: the server closed a persistent connection between requests.
    """
    samples: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, status: int, sample: str) -> None:
        """Count an answer, and remember the first errors."""
        with self._lock:
            self.statuses[status] += 1
            if status >= 400:
                self._remember(f"{status}: {sample}")

    def expected(self, status: int) -> None:
        """Count an answer that the client expects, an error perhaps."""
        with self._lock:
            self.statuses[status] += 1

    def fail(self, kind: str, sample: str) -> None:
        """Count a failure, and remember the first few."""
        with self._lock:
            self.failures[kind] += 1
            self._remember(f"{kind}: {sample}")

    def turn(self, kind: str) -> None:
        """Count an event that is no failure."""
        with self._lock:
            self.turns[kind] += 1

    @property
    def done(self) -> int:
        """The number of ended requests, successful or not."""
        return self.statuses.total() + self.failures.total()

    @property
    def spotless(self) -> bool:
        """Whether each answer was right, and no connection closed between requests."""
        return not self.failures and not self.turns["dropped"] and all(status < 400 for status in self.statuses)

    def __str__(self) -> str:
        """Return the counts on one line, and the first failures below it."""
        statuses, failures, turns = (
            ", ".join(f"{count} {kind}" for kind, count in sorted(counter.items()))
            for counter in (self.statuses, self.failures, self.turns)
        )
        counts = f"{self.statuses.total()} answers ({statuses}); failures: {failures or 'none'}; {turns or 'no turns'}"
        return "\n".join([counts, *self.samples])

    def _remember(self, sample: str) -> None:
        if len(self.samples) < SAMPLES:
            self.samples.append(sample)
