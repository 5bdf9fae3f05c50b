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


@dataclass(frozen=True)
class ComparisonTable:
    """A table of the queue's file that holds the last comparison.

    `clock` returns seconds since the epoch. On one thread only.
    """

    db: sqlite3.Connection
    clock: Callable[[], float]

    def begin(self, remote: str | None) -> None:
        """Record that a comparison with this remote store begins, or with None that there is no remote store."""
        if remote is None:
            self.db.execute("DELETE FROM comparison")
        else:
            query = "INSERT OR REPLACE INTO comparison (one, remote, began_at) VALUES (1, ?, ?)"
            self.db.execute(query, (remote, self.clock()))

    def note(self, remote: str, state: State, images: int | None = None, missing: int | None = None) -> None:
        """Record the progress of the comparison with this store, unless one with another store has begun."""
        self.db.execute(
            "UPDATE comparison SET images = ifnull(?, images), missing = ifnull(?, missing), state = ? "
            "WHERE remote = ?",
            (images, missing, state, remote),
        )

    def last(self) -> RecordedComparison | None:
        """Return the last comparison, or None when there is no remote store."""
        row = self.db.execute("SELECT remote, began_at, images, missing, state FROM comparison").fetchone()
        return None if row is None else RecordedComparison(*row)
