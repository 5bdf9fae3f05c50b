"""The files that each remote store is known to hold, so that a start finds those that were never uploaded."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output

Files = Sequence[tuple[ImageId, Sequence[ImageFile]]]


@dataclass(frozen=True)
class UploadedFiles:
    """A table of the queue's file, which knows a remote store by its name. On the queue's thread only."""

    db: sqlite3.Connection

    def add(self, remote: str, image: ImageId, files: Sequence[ImageFile]) -> None:
        """Record that the remote store holds these files."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.execute("INSERT INTO remotes (name) VALUES (?) ON CONFLICT DO NOTHING", (remote,))
            self.db.executemany(
                "INSERT INTO acknowledged SELECT id, ?, ?, ? FROM remotes WHERE name = ? ON CONFLICT DO NOTHING",
                [(image.namespace, str(image.hash), str(file), remote) for file in files],
            )

    def missing(self, remote: str, files: Files) -> list[tuple[ImageId, list[ImageFile]]]:
        """Return the files that the remote store is not known to hold and whose upload is not queued, by name."""
        missing = []
        for image, each in files:
            identity = (image.namespace, str(image.hash))
            known = self.db.execute(
                "SELECT acknowledged.name FROM acknowledged JOIN remotes ON id = remote "
                "WHERE remotes.name = ? AND namespace = ? AND hash = ? "
                "UNION ALL SELECT output FROM jobs WHERE kind = 'upload' AND namespace = ? AND hash = ? "
                "AND state <> 'running'",  # such an upload may go to another store
                (remote, *identity, *identity),
            ).fetchall()
            by_name = {str(file): file for file in each}
            unknown = by_name.keys() - {name for (name,) in known}
            if unknown:
                missing.append((image, [by_name[name] for name in sorted(unknown)]))
        return missing

    def forget(self, image: ImageId, files: Sequence[ImageFile] | None = None) -> None:
        """Remove the records of these files of an image, or of all, within a transaction of the caller."""
        names = (
            self.db.execute(
                "SELECT remote, name FROM acknowledged WHERE remote IN (SELECT id FROM remotes) "
                "AND namespace = ? AND hash = ?",
                (image.namespace, str(image.hash)),
            )
            if files is None
            else [(remote, str(file)) for (remote,) in self.db.execute("SELECT id FROM remotes") for file in files]
        )
        self.db.executemany(
            "DELETE FROM acknowledged WHERE remote = ? AND namespace = ? AND hash = ? AND name = ?",
            [(remote, image.namespace, str(image.hash), name) for remote, name in list(names)],
        )

    def settled(self, remote: str | None, files: Files) -> list[tuple[ImageId, ImageFile]]:
        """Return the files that no job needs and, with a `remote` store, that it is known to hold.

        An original and its record are held only together, and their own uploads need both. A queued render needs no
        original that can come back: it could not be stored while originals fill the store.
        """
        settled = []
        for image, each in files:
            identity = (image.namespace, str(image.hash))
            rows = self.db.execute("SELECT output FROM jobs WHERE namespace = ? AND hash = ?", identity)
            needed = {name for (name,) in rows.fetchall()}
            original = {str(ORIGINAL), str(RECORD)}
            held = {str(file) for file in each}
            if remote is not None:
                rows = self.db.execute(
                    "SELECT acknowledged.name FROM acknowledged JOIN remotes ON id = remote "
                    "WHERE remotes.name = ? AND namespace = ? AND hash = ?",
                    (remote, *identity),
                )
                held = {name for (name,) in rows.fetchall()}
            for file in each:
                if isinstance(file, Output):
                    is_settled = str(file) in held - needed
                else:
                    is_settled = remote is not None and original <= held - needed
                if is_settled:
                    settled.append((image, file))
        return settled

    def take_over(self, former: str, remote: str) -> int:
        """Move the records of a remote store from its former name to its name; return how many are new there."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            row = self.db.execute("SELECT id FROM remotes WHERE name = ?", (former,)).fetchone()
            if row is None or former == remote:
                return 0
            self.db.execute("INSERT INTO remotes (name) VALUES (?) ON CONFLICT DO NOTHING", (remote,))
            taken = self.db.execute(
                "INSERT INTO acknowledged SELECT remotes.id, namespace, hash, acknowledged.name "
                "FROM acknowledged, remotes WHERE remote = ? AND remotes.name = ? ON CONFLICT DO NOTHING",
                (*row, remote),
            ).rowcount
            self.db.execute("DELETE FROM acknowledged WHERE remote = ?", row)
            self.db.execute("DELETE FROM remotes WHERE id = ?", row)
            return taken
