"""The durable queue: SQLite in WAL mode, fsynced when jobs are added, and shared by the two processes of a handover."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from imaged.core.backoff import Backoff
from imaged.core.errors import NotFoundError
from imaged.core.files import ORIGINAL, ImageFile, parse_stored_file
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output, parse_stored
from imaged.jobs import image_rows
from imaged.jobs.comparison import ComparisonTable
from imaged.jobs.queue_owner import QueueOwner
from imaged.jobs.reserve import Reserve
from imaged.jobs.schema import migrate, touch_version
from imaged.jobs.shares import TURN_OUTPUTS, check_share, take_turns
from imaged.jobs.uploaded_files import UploadedFiles

ORPHANED = Backoff(first_s=2, longest_s=300, attempts=10)
"""How long a job waits whose owner ended while it ran. It does not wait the first time, then longer and longer, and in
the end it fails, so that a job that kills its process does not keep the process from starting."""

LONGEST_DELAY_S = 600.0
"""No job is delayed longer. One that is due later was delayed by a clock that has been set back since."""

CLAIM = """
UPDATE jobs SET state = 'running', owner = :owner, again = 0 WHERE id IN (
    SELECT id FROM jobs WHERE kind = :kind AND +state = 'queued' AND +due_at <= :now AND (namespace, hash) = (
        SELECT namespace, hash FROM jobs WHERE kind = :kind AND state = 'queued' AND +due_at <= :now
        ORDER BY turn, due_at, id LIMIT 1
    ) ORDER BY turn, id LIMIT :most
) RETURNING id, namespace, hash, output, attempts, turn
"""
"""The statement of `claim`. A `+` keeps SQLite from searching by that column: it would sort thousands of due jobs,
while the next turn and the jobs of one image have indexes."""

TRIAL_BYTES = 65_536
"""How much a trial writes to the disk. SQLite alone may write little, into pages that its file has already."""

Kind = Literal["render", "upload", "erase", "purge"]
"""A job of the kind `erase` has the name of the original, and removes all files of its image from the remote store; or
it has that of the record, and forgets the outputs. One of the kind `purge` removes one file from caches."""


_OF_ERASURES = frozenset({"erase", "purge"})


@dataclass(frozen=True)
class Job:
    """A render, an upload or a purge of one file, or an erasure; `attempts` says how many have failed so far."""

    id: int
    kind: Kind
    image: ImageId
    file: ImageFile
    attempts: int


@dataclass(frozen=True)
class Depth:
    """Numbers of jobs of one kind; `oldest_s` is the age of the oldest job that has not failed, or None."""

    queued: int
    running: int
    failed: int
    oldest_s: float | None


class JobQueue:
    """All jobs, in one SQLite file below `folder`.

    `clock` returns seconds since the epoch. `migrated_from` is the version that the file had, 0 for a new one. Raises
    StoreError when a newer program wrote the file, or another machine uses it. Every method blocks on the disk. Call
    all of them on one thread.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._file = folder / "jobs.sqlite"
        self._reserve = Reserve(folder)
        with ExitStack() as opened:
            self.owner = opened.enter_context(closing(QueueOwner(folder / "owners")))
            self.owner.check_machine()
            self._db = opened.enter_context(closing(sqlite3.connect(self._file, isolation_level=None, timeout=10)))
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self.migrated_from = migrate(self._db, folder)
            self._identity = self._file.stat().st_ino
            self.recover()
            query = "SELECT ifnull(min(turn), 0) FROM jobs WHERE state = 'queued' AND kind = 'render'"
            (self._turn,) = self._db.execute(query).fetchone()
            self.uploaded = UploadedFiles(self._db)
            self.comparisons = ComparisonTable(self._db, self._clock)
            self._opened = opened.pop_all()
        self._reserve.fill()

    def close(self) -> None:
        """Leave the queue to other processes, which queue the running jobs of this one again."""
        self._opened.close()

    def add(self, kind: Kind, image: ImageId, files: Sequence[ImageFile], client: str = "", delay_s: float = 0) -> None:
        """Queue a job for each of these files, durably, due after `delay_s` seconds.

        One that is queued or has failed already becomes due then.

        Raises BusyError, and queues none, when too many renders are queued, in all or for this client or namespace.
        Uploads are always taken. The jobs of an erasure are, too, when the disk is full.
        """
        self._check_there()
        add = partial(self._add, kind, image, files, client, delay_s)
        if kind in _OF_ERASURES:
            self._reserve.lend(add)
        else:
            add()

    def _add(self, kind: Kind, image: ImageId, files: Sequence[ImageFile], client: str, delay_s: float) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            turns: Sequence[int] = [0] * len(files)
            if kind == "render":
                check_share(self._db, image.namespace, client)
                turns = take_turns(self._db, self._turn, image, client, len(files))
            image_rows.add_jobs(
                self._db, self._clock(), kind, image, files, client=client, turns=turns, delay_s=delay_s
            )

    def uploaded_files(self, image: ImageId) -> list[ImageFile]:
        """Return the files of an image that any remote store is known to hold, or that are to be uploaded."""
        return image_rows.uploaded_files(self._db, image)

    def erase(self, image: ImageId, *, enqueue: bool) -> None:
        """Remove the renders and uploads of an image, and the record of its uploads, durably, in one transaction.

        Those that run are removed, too: their end changes nothing. With `enqueue`, queue the job that erases the rest.
        A full disk is no reason not to.
        """
        self._check_there()
        self._reserve.lend(partial(self._erase, image, enqueue=enqueue))

    def _erase(self, image: ImageId, *, enqueue: bool) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            image_rows.remove_work(self._db, image)
            if enqueue:
                image_rows.add_jobs(self._db, self._clock(), "erase", image, [ORIGINAL])

    def forget_uploads(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Remove the queued uploads of outputs, and the record that they were uploaded, durably."""
        self._check_there()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            image_rows.forget_uploads(self._db, image, outputs)

    def claim(self, kind: Kind) -> list[Job]:
        """Take the due jobs of the image whose turn is next, so that one decode serves them all.

        At most TURN_OUTPUTS renders are taken. Among equal turns, the job that has been due longest comes first. A row
        whose file this program cannot name, as after a downgrade, fails at once.
        """
        most = TURN_OUTPUTS if kind == "render" else -1
        values = {"owner": self.owner.name, "kind": kind, "now": self._clock(), "most": most}
        with self._lazily():
            rows = self._db.execute(CLAIM, values).fetchall()
        self._turn = max(self._turn, min((row[-1] for row in rows), default=0))
        jobs = []
        for id, namespace, digits, name, attempts, _ in sorted(rows):
            try:
                jobs.append(Job(id, kind, ImageId(namespace, ImageHash(digits)), parse_stored_file(name), attempts))
            except NotFoundError as error:
                self._db.execute(
                    "UPDATE jobs SET state = 'parked', owner = NULL, error = ? WHERE id = ? AND owner = ?",
                    (str(error), id, self.owner.name),
                )
        return jobs

    @contextmanager
    def _lazily(self) -> Iterator[None]:
        """Commit without a wait for the disk: after a power cut, what the block did may be undone.

        A claim that is undone is made again. A job that is queued again finds its files.
        """
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    def done(self, jobs: Sequence[Job]) -> None:
        """Remove jobs that are done. Those that were added again while they ran are queued once more."""
        with self._lazily(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            mine = [(job.id, self.owner.name) for job in jobs]
            self._db.executemany("DELETE FROM jobs WHERE id = ? AND owner = ? AND NOT again", mine)
            self._db.executemany(
                "UPDATE jobs SET state = 'queued', owner = NULL, attempts = 0 WHERE id = ? AND owner = ?", mine
            )

    def fail(self, job: Job, error: str, delay_s: float | None, *, counts: bool = True) -> None:
        """Queue a job again after `delay_s` seconds, or let it fail for good when that is None.

        A job that was added again while it ran is due at once. `counts` says whether this was one of its attempts.
        """
        state = "parked" if delay_s is None else "queued"
        self._db.execute(
            "UPDATE jobs SET state = iif(again, 'queued', ?), owner = NULL, attempts = iif(again, 0, attempts + ?), "
            "due_at = iif(again, due_at, ?), error = ? WHERE id = ? AND owner = ?",
            (state, counts, self._clock() + min(delay_s or 0, LONGEST_DELAY_S), error, job.id, self.owner.name),
        )

    def recover(self) -> int:
        """Queue the jobs again that ended processes were running or a wrong clock delayed; return how many."""
        now = self._clock()
        recovered = self._db.execute(
            "UPDATE jobs SET due_at = ? "
            "WHERE state = 'queued' AND kind IN ('render', 'upload', 'erase', 'purge') AND due_at > ?",
            (now, now + LONGEST_DELAY_S),
        ).rowcount
        running = self._db.execute("SELECT DISTINCT owner FROM jobs WHERE state = 'running'").fetchall()
        for name in {name for (name,) in running} | set(self.owner.others()):
            if self.owner.is_gone(name):
                recovered += self._adopt(name)
        return recovered

    def _adopt(self, gone: str) -> int:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            rows = self._db.execute(
                "SELECT id, orphaned + 1, due_at FROM jobs WHERE state = 'running' AND owner = ?", (gone,)
            ).fetchall()
            for id, orphaned, due_at in rows:
                delay_s = 0.0 if orphaned == 1 else ORPHANED.delay_s(orphaned - 1, jitter=1.0)
                self._db.execute(
                    "UPDATE jobs SET state = ?, owner = NULL, orphaned = ?, due_at = ?, error = ? WHERE id = ?",
                    (
                        "parked" if delay_s is None else "queued",
                        orphaned,
                        max(due_at, self._clock() + delay_s) if delay_s else due_at,
                        f"its process was gone before it was done, {orphaned} time(s)",
                        id,
                    ),
                )
        return len(rows)

    def next_due_s(self, kind: Kind) -> float | None:
        """Return in how many seconds the next job of a kind is due (0 or less: now), or None when none is queued."""
        query = "SELECT min(due_at) FROM jobs WHERE state = 'queued' AND kind = ?"
        (due_at,) = self._db.execute(query, (kind,)).fetchone()
        return None if due_at is None else due_at - self._clock()

    def depth(self, kind: Kind) -> Depth:
        """Count the jobs of one kind."""
        self._check_there()
        query = "SELECT state, jobs FROM tallies WHERE kind = ? AND scope = 'all'"
        counts: dict[str, int] = dict(self._db.execute(query, (kind,)).fetchall())
        query = "SELECT min(created_at) FROM jobs WHERE kind = ? AND state = ?"
        oldest = [self._db.execute(query, (kind, state)).fetchone()[0] for state in ("queued", "running")]
        ages = [max(0.0, self._clock() - created_at) for created_at in oldest if created_at is not None]
        oldest_s = max(ages, default=None)
        return Depth(counts.get("queued", 0), counts.get("running", 0), counts.get("parked", 0), oldest_s)

    def states(self, image: ImageId) -> dict[Output, str]:
        """Return the queued renders of an image: `pending` or `failed` for each output."""
        rows = self._db.execute(
            "SELECT output, iif(state = 'parked', 'failed', 'pending') FROM jobs "
            "WHERE kind = 'render' AND namespace = ? AND hash = ?",
            (image.namespace, str(image.hash)),
        )
        states = {}
        for name, state in rows.fetchall():
            with suppress(NotFoundError):  # `claim` fails such a row
                states[parse_stored(name)] = state
        return states

    def try_out(self) -> None:
        """Try all that the queue needs: list owners, write a file, write to SQLite. Raises OSError, sqlite3.Error."""
        self._check_there()
        self.owner.others()
        self.try_disk()
        touch_version(self._db)
        self._reserve.fill()

    def try_disk(self) -> None:
        """Write a file: SQLite does not say whether a full disk is the reason of an I/O error. Raises OSError."""
        trial = self._file.with_name("trial")  # any process may overwrite it
        try:
            with trial.open("wb") as file:
                file.write(bytes(TRIAL_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            trial.unlink(missing_ok=True)

    def _check_there(self) -> None:
        """Raise OSError when the file was removed or replaced: SQLite would continue, and lose every row at the end."""
        try:
            identity = self._file.stat().st_ino
        except FileNotFoundError:
            identity = None
        if identity != self._identity:
            raise FileNotFoundError(f"{self._file} was removed or replaced while imaged ran: restart imaged")
