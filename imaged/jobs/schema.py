"""The schema of the queue's file, and its migrations, which keep all rows.

The version is SQLite's `user_version`: how many files of `migrations/` have been applied. To change the schema, add the
next file there; `docs/decisions/0004-queue.md` says what it may do.

Applied migrations are never edited, so two words of the first schema stay: a failed job has the state
`parked`, as in the status and the command line, and the table of uploaded files is called `acknowledged`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from imaged.core.errors import StoreError
from imaged.jobs import migrations

_SCRIPTS = {each.name: each.read_text() for each in resources.files(migrations).iterdir() if each.name.endswith(".sql")}

MIGRATIONS = [_SCRIPTS[name] for name in sorted(_SCRIPTS)]
"""The script of each version from 1 on; 0 is an empty file."""

VERSION = len(MIGRATIONS)
"""The version that this program reads and writes."""


def read_version(db: sqlite3.Connection) -> int:
    """Return the version of a queue; 0 when the file is empty."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def touch_version(db: sqlite3.Connection) -> None:
    """Write the version that the queue has once more, durably. It may be that of a newer program."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"PRAGMA user_version = {read_version(db)}")


def migrate(db: sqlite3.Connection, folder: Path) -> int:
    """Bring the queue of `folder` up to VERSION in one transaction; return the version that it had.

    Of several processes, one migrates and the others wait. Raises StoreError when the queue is newer than this program.
    """
    if read_version(db) == VERSION:
        return VERSION  # without a write: queued jobs can be done while the disk is full
    with db:
        db.execute("BEGIN IMMEDIATE")
        found = read_version(db)
        check_not_newer(found, folder)
        for script in MIGRATIONS[found:]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
    return found


def check_not_newer(version: int, folder: Path) -> None:
    """Raise StoreError when a newer program wrote the queue: this program does not know what its rows mean."""
    if version > VERSION:
        raise StoreError(
            f"the job queue in {folder} is of a newer imaged: it has version {version}, this imaged reads {VERSION}; "
            "install the newer imaged again"
        )


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, each of which ends with its line (`executescript` would commit before it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), statement  # noqa: S101  # a file of this package, which a test reads
