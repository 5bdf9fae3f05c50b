"""Counts the rows of a queue that its tallies stand for."""

from __future__ import annotations

import sqlite3

_RENDERS = (
    "SELECT 'render', 'queued', {}, count(*), {} FROM jobs WHERE kind = 'render' AND state = 'queued' GROUP BY {}"
)
COUNT = " UNION ALL ".join(
    (
        "SELECT kind, state, 'all', '', count(*), 0 FROM jobs GROUP BY kind, state",
        _RENDERS.format("'namespace', namespace", "0", "namespace"),
        _RENDERS.format("'client', client", "count(DISTINCT namespace || '/' || hash)", "client"),
    )
)


def check_tallies(db: sqlite3.Connection) -> None:
    """Check that the tallies are what a count of all rows gives."""
    assert set(db.execute("SELECT * FROM tallies WHERE jobs <> 0").fetchall()) == set(db.execute(COUNT).fetchall())
