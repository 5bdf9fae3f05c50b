"""The queue as an operator sees and mends it, from a process that does no work: what is owed, and what is parked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imaged.core.errors import ImagedError, NotFoundError, StoreError
from imaged.jobs.comparison import Comparison, Comparisons
from imaged.jobs.queue import Kind
from imaged.jobs.schema import VERSION, check_not_newer, read_version

BUSY_TIMEOUT_S = 10
"""How long one waits for a daemon that writes; its own writes take milliseconds."""

PAGE = 500
"""How many jobs are read at once. Between pages no read is open, so that a slow reader keeps no log from shrinking."""


class NotFailedError(ImagedError):
    """A job that is named is not parked."""


@dataclass(frozen=True)
class Entry:
    """One job, as it is listed. `image` is its namespace and its hash; `error` is what the last attempt ended with."""

    id: int
    kind: str
    state: str
    attempts: int
    age_s: float
    image: str
    output: str
    error: str


class FailedJobs:
    """A connection of its own to the queue's file, which is never made by it, and no owner of jobs. Blocking.

    `clock` returns seconds since the epoch. Get one from `opened`.
    """

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    def jobs(self, kind: Kind | None, *, parked_only: bool) -> Iterator[Entry]:
        """Yield the jobs, of one kind or of each, by id: first those that are parked, then all others if wanted."""
        for parked in (True,) if parked_only else (True, False):
            last = 0
            while entries := self._page(kind, parked, last):
                yield from entries
                last = entries[-1].id

    def comparison(self) -> Comparison | None:
        """Return how far the last comparison with the remote store is: until it has ended, more may be owed."""
        return Comparisons(self._db, self._clock).last()

    def retry(self, ids: Sequence[int] | None) -> int:
        """Queue these parked jobs again, or with None each of them, as if they had never failed; return how many.

        Raises NotParkedError when one of them is not parked, and then all stay as they are.
        """
        return self._change(
            "UPDATE jobs SET state = 'queued', attempts = 0, orphaned = 0, due_at = :now WHERE state = 'parked'", ids
        )

    def drop(self, ids: Sequence[int] | None) -> int:
        """Forget these parked jobs, or with None each of them; return how many. Raises as `retry` does."""
        return self._change("DELETE FROM jobs WHERE state = 'parked'", ids)

    def _page(self, kind: Kind | None, parked: bool, last: int) -> list[Entry]:  # noqa: FBT001  # from `jobs` alone
        rows = self._db.execute(
            "SELECT id, kind, state, attempts, :now - created_at, namespace || '/' || hash, output, ifnull(error, '') "
            "FROM jobs WHERE (state = 'parked') = :parked AND (:kind IS NULL OR kind = :kind) AND id > :last "
            "ORDER BY id LIMIT :page",
            {"now": self._clock(), "parked": parked, "kind": kind, "last": last, "page": PAGE},
        )
        return [Entry(*row) for row in rows.fetchall()]

    def _change(self, statement: str, ids: Sequence[int] | None) -> int:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if ids is None:
                return self._db.execute(statement, {"now": self._clock()}).rowcount
            unfit = [fault for id in dict.fromkeys(ids) if (fault := self._unfit(id)) is not None]
            if unfit:
                raise NotFailedError("; ".join(unfit))
            changed = [
                self._db.execute(f"{statement} AND id = :id", {"now": self._clock(), "id": id}).rowcount
                for id in dict.fromkeys(ids)
            ]
        return sum(changed)

    def _unfit(self, id: int) -> str | None:
        row = self._db.execute("SELECT state FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None:
            return f"there is no job {id}"
        return None if row[0] == "parked" else f"job {id} is {row[0]}, not parked"


@contextmanager
def opened(folder: Path, clock: Callable[[], float]) -> Iterator[FailedJobs]:
    """Open the queue in `folder` for a while. Raises NotFoundError when there is none, StoreError when it is not read.

    Whatever SQLite finds wrong inside the block is a StoreError too. For root, SQLite gives the log files that it makes
    beside the queue to the queue's owner, so that the daemon can go on writing.
    """
    try:
        db = _connect(folder / "jobs.sqlite")
    except (OSError, sqlite3.Error) as error:
        raise _unusable(folder, error) from error
    if db is None:
        raise NotFoundError(f"no job queue in {folder}")
    try:
        _check_version(db, folder)
        yield FailedJobs(db, clock)
    except sqlite3.Error as error:
        raise _unusable(folder, error) from error
    finally:
        db.close()


def _connect(path: Path) -> sqlite3.Connection | None:
    if not path.is_file():
        return None
    uri = f"{path.absolute().as_uri()}?mode=rw"  # rw, and not rwc: a file that is missing is not made
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)


def _unusable(folder: Path, error: OSError | sqlite3.Error) -> StoreError:
    if isinstance(error, OSError):
        reason, forbidden = error.strerror, isinstance(error, PermissionError)
    else:
        name = getattr(error, "sqlite_errorname", "")  # errors of the module itself have none
        reason, forbidden = str(error), name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))
    advice = "; be the user of the daemon, or root" if forbidden else ""
    return StoreError(f"the job queue in {folder} cannot be used: {reason}{advice}")


def _check_version(db: sqlite3.Connection, folder: Path) -> None:
    version = read_version(db)
    if version == 0:  # some daemon makes it right now
        raise NotFoundError(f"no job queue in {folder}")
    check_not_newer(version, folder)
    if version < VERSION:
        raise StoreError(
            f"the job queue in {folder} is of an older imaged: it has version {version}, this imaged reads {VERSION}; "
            "start or upgrade the daemon, which migrates it"
        )
