"""The queue as `imaged queue` and `imaged erase` show and change it, from a process that runs no jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from imaged.core.errors import ImagedError, NotFoundError, StoreError
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.jobs import image_rows
from imaged.jobs.comparison import ComparisonTable, RecordedComparison
from imaged.jobs.queue import Kind
from imaged.jobs.schema import VERSION, check_not_newer, read_version

BUSY_TIMEOUT_S = 10
"""How long a command waits while the daemon writes, which takes milliseconds."""

PAGE = 500
"""How many jobs are read at once. No read is open between pages, so that a slow reader does not keep SQLite's log from
shrinking."""

LIST = """
SELECT id, kind, state, attempts, :now - created_at, namespace || '/' || hash, output, ifnull(error, '')
FROM jobs WHERE (state = 'parked') = :failed AND (:kind IS NULL OR kind = :kind) AND id > :last ORDER BY id LIMIT :page
"""


@dataclass(frozen=True)
class ListedJob:
    """One job, as it is listed. `image` is its namespace and its hash, `error` that of the last attempt.

    The `state` of a job that failed for good is `parked`, as on the command line.
    """

    id: int
    kind: str
    state: str
    attempts: int
    age_s: float
    image: str
    output: str
    error: str


@dataclass(frozen=True)
class QueueAdmin:
    """A separate connection to an existing queue, which owns no jobs. Blocking.

    `clock` returns seconds since the epoch. Get one from `administer`.
    """

    db: sqlite3.Connection
    clock: Callable[[], float]

    def jobs(self, kind: Kind | None, *, failed_only: bool) -> Iterator[ListedJob]:
        """Yield the jobs of one kind, or of each, by id: first failed ones, then the others unless `failed_only`."""
        for failed in (True,) if failed_only else (True, False):
            page = {"now": self.clock(), "failed": failed, "kind": kind, "last": 0, "page": PAGE}
            while jobs := [ListedJob(*row) for row in self.db.execute(LIST, page).fetchall()]:
                yield from jobs
                page["last"] = jobs[-1].id

    def comparison(self) -> RecordedComparison | None:
        """Return the last comparison with the remote store: until it has ended, more uploads may be pending."""
        return ComparisonTable(self.db, self.clock).last()

    def retry(self, ids: Sequence[int] | None) -> int:
        """Queue these failed jobs again, or all of them with None, with no failed attempts; return how many.

        Raises ImagedError when one of them has not failed, and then changes none.
        """
        return self._change(
            "UPDATE jobs SET state = 'queued', attempts = 0, orphaned = 0, due_at = :now WHERE state = 'parked'", ids
        )

    def drop(self, ids: Sequence[int] | None) -> int:
        """Remove these failed jobs, or all of them with None; return how many. Raises as `retry` does."""
        return self._change("DELETE FROM jobs WHERE state = 'parked'", ids)

    def uploaded_files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that any remote store is known to hold, or that are to be uploaded."""
        return image_rows.uploaded_files(self.db, image)

    def erase(self, image: ImageId) -> None:
        """Remove what is queued for an image, and queue the job that erases the rest of it."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            image_rows.remove_work(self.db, image)
            image_rows.add_jobs(self.db, self.clock(), "erase", image, [ORIGINAL])

    def forget(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Remove the queued uploads of outputs, and queue the job that forgets all outputs of the image."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            image_rows.forget_uploads(self.db, image, outputs)
            image_rows.add_jobs(self.db, self.clock(), "erase", image, [RECORD])

    def purge(self, image: ImageId, files: Sequence[ImageFile], delay_s: float) -> None:
        """Queue the purge of files from caches."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            image_rows.add_jobs(self.db, self.clock(), "purge", image, files, delay_s=delay_s)

    def _change(self, statement: str, ids: Sequence[int] | None) -> int:
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            if ids is None:
                return self.db.execute(statement, {"now": self.clock()}).rowcount
            chosen = list(dict.fromkeys(ids))
            if unfit := [fault for id in chosen if (fault := self._unfit(id)) is not None]:
                raise ImagedError("; ".join(unfit))
            for id in chosen:
                self.db.execute(f"{statement} AND id = :id", {"now": self.clock(), "id": id})
            return len(chosen)

    def _unfit(self, id: int) -> str | None:
        row = self.db.execute("SELECT state FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None:
            return f"there is no job {id}"
        return None if row[0] == "parked" else f"job {id} is {row[0]}, not parked"


@contextmanager
def administer(folder: Path, clock: Callable[[], float]) -> Iterator[QueueAdmin]:
    """Open the queue in `folder`. Raises NotFoundError when there is none, StoreError when it cannot be read.

    An error of SQLite inside the block is a StoreError too. For root, SQLite gives the log files beside the queue to
    the owner of the queue, so that the daemon can still write.
    """
    file = (folder / "jobs.sqlite").absolute()
    try:
        if not file.is_file():
            raise NotFoundError(f"no job queue in {folder}: check state_dir, or start the daemon, which makes it")
        uri = f"{file.as_uri()}?mode=rw"  # not rwc: a missing file is not created
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(folder, error) from error
    try:
        with closing(db):
            _check_version(db, folder)
            yield QueueAdmin(db, clock)
    except sqlite3.Error as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError | sqlite3.Error) -> StoreError:
    if isinstance(error, OSError):
        reason, forbidden = error.strerror, isinstance(error, PermissionError)
    else:
        name = getattr(error, "sqlite_errorname", "")  # errors of the Python module have no name
        reason, forbidden = str(error), name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))
    advice = "; be the user of the daemon, or root" if forbidden else ""
    return StoreError(f"the job queue in {folder} cannot be used: {reason}{advice}")


def _check_version(db: sqlite3.Connection, folder: Path) -> None:
    version = read_version(db)
    if version == 0:  # a daemon creates it right now
        raise NotFoundError(f"no job queue in {folder}: check state_dir, or start the daemon, which makes it")
    check_not_newer(version, folder)
    if version < VERSION:
        raise StoreError(
            f"the job queue in {folder} is of an older imaged: it has version {version}, this imaged reads {VERSION}; "
            "start or upgrade the daemon, which migrates it"
        )
