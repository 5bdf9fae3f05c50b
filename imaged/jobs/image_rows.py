"""The rows of one image, as the daemon and `imaged erase` change them, in a transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from imaged.core.files import ImageFile, read_stored_files
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.jobs.uploaded_files import UploadedFiles

_INSERT = """
INSERT INTO jobs (kind, namespace, hash, output, created_at, due_at, client, turn) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET due_at = excluded.due_at, again = (state = 'running'),
attempts = iif(state = 'parked', 0, attempts), orphaned = iif(state = 'parked', 0, orphaned),
client = iif(state = 'parked', excluded.client, client),
turn = iif(state = 'parked', excluded.turn, min(turn, excluded.turn)), state = iif(state = 'parked', 'queued', state)
"""


def add_jobs(
    db: sqlite3.Connection,
    now_s: float,
    kind: str,
    image: ImageId,
    files: Sequence[ImageFile],
    *,
    client: str = "",
    turns: Sequence[int] = (),
    delay_s: float = 0,
) -> None:
    """Add a job for each of these files, due after `delay_s`; one that is queued or has failed becomes due then."""
    identity = (image.namespace, str(image.hash))
    due_s = now_s + delay_s
    rows = zip(files, turns or [0] * len(files), strict=True)
    db.executemany(_INSERT, [(kind, *identity, str(file), now_s, due_s, client, turn) for file, turn in rows])


def uploaded_files(db: sqlite3.Connection, image: ImageId) -> list[ImageFile]:
    """Return the files of an image that any remote store is known to hold, or that are to be uploaded."""
    identity = (image.namespace, str(image.hash))
    rows = db.execute(
        "SELECT name FROM acknowledged WHERE remote IN (SELECT id FROM remotes) AND namespace = ? AND hash = ? "
        "UNION SELECT output FROM jobs WHERE kind = 'upload' AND namespace = ? AND hash = ?",
        (*identity, *identity),
    )
    return read_stored_files(name for (name,) in rows.fetchall())


def remove_work(db: sqlite3.Connection, image: ImageId) -> None:
    """Remove the renders and uploads of an image, and the record of its uploads.

    Those that run are removed, too: their end changes nothing.
    """
    identity = (image.namespace, str(image.hash))
    db.execute("DELETE FROM jobs WHERE kind IN ('render', 'upload') AND namespace = ? AND hash = ?", identity)
    UploadedFiles(db).forget(image)


def forget_uploads(db: sqlite3.Connection, image: ImageId, outputs: Sequence[Output]) -> None:
    """Remove the queued uploads of outputs, and the record that they were uploaded."""
    for output in outputs:
        db.execute(
            "DELETE FROM jobs WHERE kind = 'upload' AND namespace = ? AND hash = ? AND output = ? "
            "AND state <> 'running'",
            (image.namespace, str(image.hash), str(output)),
        )
    UploadedFiles(db).forget(image, outputs)
