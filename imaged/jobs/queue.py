"""The durable queue: SQLite in WAL mode, fsynced at each commit, shared by processes that hand over to each other."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imaged.core.backoff import Backoff
from imaged.core.errors import BusyError
from imaged.core.hashes import ImageHash, ImageId
from imaged.jobs.acknowledged import Acknowledged
from imaged.jobs.owner import Owner
from imaged.jobs.schema import migrate, touch_version

MAXIMUM_RENDERS = 50_000
"""How many renders may be queued before more are refused: an hour of work or so for a small machine."""

ORPHANED = Backoff(first_s=2, longest_s=300, attempts=10)
"""How a job waits whose owner was gone while it ran: at first not at all, but one that kills its process must not keep
it from starting again, so from the second time on it waits, and in the end it is parked."""

TRIAL_BYTES = 65_536
"""How much is written to see whether the disk takes anything: SQLite may reuse what it has, and then write a little."""

Kind = Literal["render", "upload"]


@dataclass(frozen=True)
class Job:
    """One output that is owed; `attempts` says how many have failed so far."""

    id: int
    kind: Kind
    image: ImageId
    output: str
    attempts: int


@dataclass(frozen=True)
class Depth:
    """How much of one kind is owed; `oldest_s` is the age of the oldest job not parked, or None."""

    queued: int
    running: int
    parked: int
    oldest_s: float | None


class JobQueue:
    """All jobs, in one SQLite file below `folder`.

    `clock` returns seconds since the epoch. `migrated_from` is the version that the file had, 0 for a new one. Raises
    StoreError when it is of a newer program. Every method blocks on the disk; all are to be called on one and the same
    thread.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._owner = Owner(folder / "owners")
        self._file = folder / "jobs.sqlite"
        try:
            self._db = sqlite3.connect(self._file, isolation_level=None, timeout=10)
        except BaseException:
            self._owner.close()
            raise
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self.migrated_from = migrate(self._db, folder)
            self._identity = self._file.stat().st_ino
            self.recover()
            self.acknowledged = Acknowledged(self._db)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the queue to others; jobs of this process that are not done are queued again."""
        self._db.close()
        self._owner.close()

    def add(self, kind: Kind, image: ImageId, outputs: Iterable[str]) -> None:
        """Owe these outputs; durable on return. One that is owed already is due now, parked or not.

        Raises BusyError when too many renders are queued: nothing is then owed. What is rendered is always uploaded.
        """
        self._check_there()
        now = self._clock()
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if kind == "render" and self._queued(kind) >= MAXIMUM_RENDERS:
                raise BusyError(f"{MAXIMUM_RENDERS} outputs are queued already: try again later", retry_after_s=60)
            self._db.executemany(
                "INSERT INTO jobs (kind, namespace, hash, output, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET due_at = excluded.due_at, again = (state = 'running'), "
                "attempts = iif(state = 'parked', 0, attempts), orphaned = iif(state = 'parked', 0, orphaned), "
                "state = iif(state = 'parked', 'queued', state)",
                [(kind, image.namespace, str(image.hash), output, now, now) for output in outputs],
            )

    def claim(self, kind: Kind) -> list[Job]:
        """Take every due job of the image whose job has been due longest, so that one decode serves them all."""
        rows = self._db.execute(
            "UPDATE jobs SET state = 'running', owner = ?, again = 0 "
            "WHERE kind = ? AND state = 'queued' AND due_at <= ? AND (namespace, hash) = "
            "(SELECT namespace, hash FROM jobs WHERE kind = ? AND state = 'queued' AND due_at <= ? "
            "ORDER BY due_at, id LIMIT 1) RETURNING id, namespace, hash, output, attempts",
            (self._owner.name, kind, self._clock(), kind, self._clock()),
        ).fetchall()
        return [
            Job(id, kind, ImageId(namespace, ImageHash(digits)), output, attempts)
            for id, namespace, digits, output, attempts in sorted(rows)
        ]

    def done(self, jobs: Sequence[Job]) -> None:
        """Forget jobs that are done, but for those asked for once more while they ran."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            mine = [(job.id, self._owner.name) for job in jobs]
            self._db.executemany("DELETE FROM jobs WHERE id = ? AND owner = ? AND NOT again", mine)
            self._db.executemany(
                "UPDATE jobs SET state = 'queued', owner = NULL, attempts = 0 WHERE id = ? AND owner = ?", mine
            )

    def failed(self, job: Job, error: str, delay_s: float | None, *, counts: bool = True) -> None:
        """Try a job again after `delay_s` seconds, or park it when that is None; at once if asked for while it ran.

        What was not the job's fault does not count as an attempt.
        """
        state = "parked" if delay_s is None else "queued"
        self._db.execute(
            "UPDATE jobs SET state = iif(again, 'queued', ?), owner = NULL, attempts = iif(again, 0, attempts + ?), "
            "due_at = iif(again, due_at, ?), error = ? WHERE id = ? AND owner = ?",
            (state, counts, self._clock() + (delay_s or 0), error, job.id, self._owner.name),
        )

    def recover(self) -> int:
        """Queue again what processes that are gone were running; return how many jobs."""
        recovered = 0
        running = self._db.execute("SELECT DISTINCT owner FROM jobs WHERE state = 'running'").fetchall()
        for name in {name for (name,) in running} | set(self._owner.others()):
            if self._owner.is_gone(name):
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

    def _queued(self, kind: Kind) -> int:
        query = "SELECT count(*) FROM jobs WHERE state = 'queued' AND kind = ?"
        return int(self._db.execute(query, (kind,)).fetchone()[0])

    def next_due_s(self, kind: Kind) -> float | None:
        """Return in how many seconds the next job of a kind is due (0 or less: now), or None when none is queued."""
        query = "SELECT min(due_at) FROM jobs WHERE state = 'queued' AND kind = ?"
        (due_at,) = self._db.execute(query, (kind,)).fetchone()
        return None if due_at is None else due_at - self._clock()

    def depth(self, kind: Kind) -> Depth:
        """Return how much of one kind is owed."""
        self._check_there()
        rows = self._db.execute(
            "SELECT state, count(*), min(created_at) FROM jobs WHERE kind = ? GROUP BY state", (kind,)
        ).fetchall()
        counts = {state: count for state, count, _ in rows}
        ages = [self._clock() - created_at for state, _, created_at in rows if state != "parked"]
        oldest_s = max(ages, default=None)
        return Depth(counts.get("queued", 0), counts.get("running", 0), counts.get("parked", 0), oldest_s)

    def states(self, image: ImageId) -> dict[str, str]:
        """Return the renders owed for an image: `pending` or `failed` by output name."""
        rows = self._db.execute(
            "SELECT output, iif(state = 'parked', 'failed', 'pending') FROM jobs "
            "WHERE kind = 'render' AND namespace = ? AND hash = ?",
            (image.namespace, str(image.hash)),
        )
        return dict(rows.fetchall())

    def try_out(self) -> None:
        """Do what the queue cannot do without: look around, and write more than it may have room for already."""
        self._check_there()
        self._owner.others()
        trial = self._file.with_name("trial")  # of whoever tries: it holds nothing
        try:
            with trial.open("wb") as file:
                file.write(bytes(TRIAL_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            trial.unlink(missing_ok=True)
        touch_version(self._db)

    def _check_there(self) -> None:
        """Raise OSError when the file is gone: SQLite would go on without a word, and nobody finds what it keeps."""
        try:
            identity = self._file.stat().st_ino
        except FileNotFoundError:
            identity = None
        if identity != self._identity:
            raise FileNotFoundError(f"{self._file} is gone, or another: restart imaged")
