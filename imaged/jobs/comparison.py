"""The state of the last comparison of the local store with the remote one, as every process reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "running", "ended", "failed"]


@dataclass(frozen=True)
class RecordedComparison:
    """One comparison. `began_at_s` is in seconds since the epoch. Until it has ended, more uploads may be pending."""

    remote: str
    began_at_s: float
    images: int
    missing: int
    state: State


class ComparisonTable:
    """A table of the queue's file that holds the last comparison.

    `clock` returns seconds since the epoch. On one thread only.
    """

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    def begin(self, remote: str) -> None:
        """Record that a comparison with this remote store begins."""
        self._db.execute(
            "INSERT OR REPLACE INTO comparison (one, remote, began_at) VALUES (1, ?, ?)", (remote, self._clock())
        )

    def note(self, remote: str, images: int, missing: int, state: State = "running") -> None:
        """Record how far the comparison with this store is, unless one with another store has begun."""
        self._db.execute(
            "UPDATE comparison SET images = ?, missing = ?, state = ? WHERE remote = ?",
            (images, missing, state, remote),
        )

    def fail(self, remote: str) -> None:
        """Record that the comparison with this store has failed."""
        self._db.execute("UPDATE comparison SET state = 'failed' WHERE remote = ?", (remote,))

    def forget(self) -> None:
        """Record that there is no remote store."""
        self._db.execute("DELETE FROM comparison")

    def last(self) -> RecordedComparison | None:
        """Return the last comparison, or None when there is no remote store."""
        row = self._db.execute("SELECT remote, began_at, images, missing, state FROM comparison").fetchone()
        return None if row is None else RecordedComparison(*row)
