"""What each remote store is known to hold, so that a start finds what never got there."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from imaged.core.hashes import ImageId

Files = Sequence[tuple[ImageId, Sequence[str]]]


class StoredFiles:
    """A table of the queue's file; a remote store is known by its name. On the queue's thread only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, remote: str, image: ImageId, names: Sequence[str]) -> None:
        """Take note that the remote store holds these files."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO remotes (name) VALUES (?) ON CONFLICT DO NOTHING", (remote,))
            self._db.executemany(
                "INSERT INTO acknowledged SELECT id, ?, ?, ? FROM remotes WHERE name = ? ON CONFLICT DO NOTHING",
                [(image.namespace, str(image.hash), name, remote) for name in names],
            )

    def missing(self, remote: str, files: Files) -> list[tuple[ImageId, list[str]]]:
        """Return those files that the remote store is not known to hold, and whose upload is not owed already."""
        missing = []
        for image, names in files:
            identity = (image.namespace, str(image.hash))
            known = self._db.execute(
                "SELECT acknowledged.name FROM acknowledged JOIN remotes ON id = remote "
                "WHERE remotes.name = ? AND namespace = ? AND hash = ? "
                "UNION ALL SELECT output FROM jobs WHERE kind = 'upload' AND namespace = ? AND hash = ? "
                "AND state <> 'running'",  # which may be an upload to another store, and is then owed once more
                (remote, *identity, *identity),
            ).fetchall()
            unknown = sorted(set(names) - {name for (name,) in known})
            if unknown:
                missing.append((image, unknown))
        return missing

    def take_over(self, former: str, remote: str) -> int:
        """Note what is noted of a remote store under a former name under its name; return how many files that are."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT id FROM remotes WHERE name = ?", (former,)).fetchone()
            if row is None or former == remote:
                return 0
            self._db.execute("INSERT INTO remotes (name) VALUES (?) ON CONFLICT DO NOTHING", (remote,))
            taken = self._db.execute(
                "INSERT INTO acknowledged SELECT remotes.id, namespace, hash, acknowledged.name "
                "FROM acknowledged, remotes WHERE remote = ? AND remotes.name = ? ON CONFLICT DO NOTHING",
                (*row, remote),
            ).rowcount
            self._db.execute("DELETE FROM acknowledged WHERE remote = ?", row)
            self._db.execute("DELETE FROM remotes WHERE id = ?", row)
            return taken
