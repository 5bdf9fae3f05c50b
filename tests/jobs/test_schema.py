"""An older queue is migrated with its rows, and a newer one is refused."""

from __future__ import annotations

import fcntl
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import resources
from itertools import product
from pathlib import Path

import pytest
from tallying import check_tallies

from imaged.core.errors import StoreError
from imaged.core.files import RECORD
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs import schema
from imaged.jobs.queue import Depth, Job, JobQueue
from imaged.jobs.schema import VERSION

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
DOG = ImageId("p", ImageHash("0" * 32))
A, B = map(parse, ("x1.jpg", "x2.jpg"))

JOBS = """
CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY {autoincrement},
    kind       TEXT NOT NULL CHECK (kind IN ('render', 'upload')),
    namespace  TEXT NOT NULL,
    hash       TEXT NOT NULL,
    output     TEXT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'parked')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    due_at     REAL NOT NULL,
    owner      TEXT,
    {orphaned}
    error      TEXT,
    again      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, namespace, hash, output)
) STRICT;
CREATE INDEX jobs_due ON jobs (state, kind, due_at);
PRAGMA user_version = 1;
"""
REMOTES = """
CREATE TABLE remotes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE acknowledged (
    remote    INTEGER NOT NULL REFERENCES remotes,
    namespace TEXT NOT NULL,
    hash      TEXT NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (remote, namespace, hash, name)
) STRICT, WITHOUT ROWID;
"""
SHAPES = [
    JOBS.format(autoincrement=autoincrement, orphaned=orphaned) + remotes
    for autoincrement, orphaned, remotes in product(
        ("", "AUTOINCREMENT"), ("", "orphaned INTEGER NOT NULL DEFAULT 0,"), ("", REMOTES)
    )
]
"""The shapes of version 1: programs created four of them, and the others arose when later ones opened earlier files."""

OPENS = """
import sys, time
from pathlib import Path
from imaged.jobs.queue import JobQueue
queue = JobQueue(Path(sys.argv[1]), time.time)
print(queue.migrated_from)
queue.close()
"""


def make(folder: Path, script: str) -> Path:
    """Create the queue's file with a script, as an earlier program did."""
    file = folder / "jobs.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(script)
    return file


def change(folder: Path, statement: str, *values: object) -> None:
    """Change the queue's file directly."""
    with closing(sqlite3.connect(folder / "jobs.sqlite", isolation_level=None)) as db:
        db.execute(statement, values)


def insert(folder: Path, id: int, kind: str, output: str, state: str, owner: str | None = None) -> None:
    """Add a row with the columns that every shape has."""
    change(
        folder,
        "INSERT INTO jobs (id, kind, namespace, hash, output, state, attempts, created_at, due_at, owner, error, again)"
        " VALUES (?, ?, ?, ?, ?, ?, 2, 10.5, 20.5, ?, 'once', 0)",
        *(id, kind, CAT.namespace, str(CAT.hash), output, state, owner),
    )


def shape_of(folder: Path) -> list[tuple[str, str]]:
    """Return each table and index with its SQL, without comments and blanks."""
    with closing(sqlite3.connect(folder / "jobs.sqlite")) as db:
        rows = db.execute("SELECT name, ifnull(sql, '') FROM sqlite_schema ORDER BY name").fetchall()
    return [(name, re.sub(r"--.*|[\s\"]", "", sql)) for name, sql in rows]


@pytest.mark.parametrize("script", SHAPES)
def test_every_shape_of_version_1_is_migrated_with_its_rows(tmp_path: Path, script: str) -> None:
    """Queued, running and failed jobs are kept, and every operation works on them."""
    (tmp_path / "newest").mkdir()
    JobQueue(tmp_path / "newest", float).close()
    make(tmp_path, script)
    insert(tmp_path, 3, "render", "x1.jpg", "queued")
    insert(tmp_path, 5, "render", "x2.jpg", "parked")
    insert(tmp_path, 7, "upload", "original", "running", "4711-gone")
    if "orphaned" in script:
        change(tmp_path, "UPDATE jobs SET orphaned = 4 WHERE id = 7")
    if "remotes" in script:
        change(tmp_path, "INSERT INTO remotes VALUES (1, 's3')")
        change(tmp_path, "INSERT INTO acknowledged VALUES (1, ?, ?, 'info.json')", CAT.namespace, str(CAT.hash))

    with closing(JobQueue(tmp_path, lambda: 1000.0)) as queue:
        assert queue.migrated_from == 1
        assert shape_of(tmp_path) == shape_of(tmp_path / "newest")
        check_tallies(queue._db)
        assert queue.depth("render") == Depth(queued=1, running=0, failed=1, oldest_s=989.5)
        assert queue.claim("render") == [Job(3, "render", CAT, A, 2)]
        assert queue.states(CAT) == {A: "pending", B: "failed"}
        row = queue._db.execute("SELECT state, attempts, created_at, orphaned FROM jobs WHERE id = 7").fetchone()
        assert row == ("queued", 2, 10.5, 5 if "orphaned" in script else 1)
        known = queue.uploaded.missing("s3", [(CAT, [RECORD])])
        assert known == ([] if "remotes" in script else [(CAT, [RECORD])])
    with closing(JobQueue(tmp_path, float)) as queue:
        assert queue.migrated_from == VERSION


def test_an_id_is_not_given_again_after_a_migration(tmp_path: Path) -> None:
    """The id of a job that was done before a migration is not reused: a late end would hit another job."""
    make(tmp_path, SHAPES[-1])
    insert(tmp_path, 99, "render", "x1.jpg", "queued")
    change(tmp_path, "DELETE FROM jobs")
    with closing(JobQueue(tmp_path, float)) as queue:
        queue.add("render", CAT, [B])
        assert [job.id for job in queue.claim("render")] == [100]


def test_a_program_that_drains_continues_with_a_migrated_queue(tmp_path: Path) -> None:
    """The statements of the old program still work, and no process takes its jobs while its owner runs."""
    make(tmp_path, SHAPES[-1])
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as old:
        add = "INSERT INTO jobs (kind, namespace, hash, output, created_at, due_at) VALUES ('render', ?, ?, ?, 1, 1)"
        claim = "UPDATE jobs SET state = 'running', owner = '4711-0a', again = 0 WHERE state = 'queued' RETURNING id"
        old.execute(add, (CAT.namespace, str(CAT.hash), "x1.jpg"))
        assert old.execute(claim).fetchall() == [(1,)]
        (tmp_path / "owners").mkdir()
        with (tmp_path / "owners" / "4711-0a").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with closing(JobQueue(tmp_path, lambda: 5.0)) as queue:
                assert queue.depth("render") == Depth(queued=0, running=1, failed=0, oldest_s=4.0)
                old.execute(add, (DOG.namespace, str(DOG.hash), "x2.jpg"))
                assert old.execute("DELETE FROM jobs WHERE id = 1 AND owner = '4711-0a' AND NOT again").rowcount == 1
                assert queue.claim("render") == [Job(2, "render", DOG, B, 0)]


def test_a_program_that_drains_does_not_turn_the_version_back(tmp_path: Path) -> None:
    """The trial after a full disk keeps the version that a newer program wrote."""
    with closing(JobQueue(tmp_path, float)) as queue:
        change(tmp_path, f"PRAGMA user_version = {VERSION + 1}")
        queue.try_out()
        assert queue._db.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


def test_a_queue_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """It is unchanged, no owner file is left, and the message says what to do."""
    JobQueue(tmp_path, float).close()
    change(tmp_path, f"PRAGMA user_version = {VERSION + 1}")
    before = (tmp_path / "jobs.sqlite").read_bytes()
    with pytest.raises(
        StoreError, match=f"newer imaged: it has version {VERSION + 1}, this imaged reads {VERSION}; ins"
    ):
        JobQueue(tmp_path, float)
    assert (tmp_path / "jobs.sqlite").read_bytes() == before
    assert list((tmp_path / "owners").iterdir()) == []


def test_processes_may_migrate_a_queue_at_once(tmp_path: Path) -> None:
    """One process migrates, and the others wait."""
    make(tmp_path, SHAPES[0])
    insert(tmp_path, 3, "render", "x1.jpg", "queued")
    processes = [
        subprocess.Popen([sys.executable, "-c", OPENS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    found = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert set(found) <= {"1\n", f"{VERSION}\n"}
    with closing(JobQueue(tmp_path, float)) as queue:
        assert queue.depth("render").queued == 1


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are one transaction, so that the older program can continue."""
    file = make(tmp_path, SHAPES[0])
    insert(tmp_path, 3, "render", "x1.jpg", "queued")
    before = shape_of(tmp_path)
    monkeypatch.setattr(
        schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE more (id);\nINSERT INTO nowhere VALUES (1);\n")
    )
    monkeypatch.setattr(schema, "VERSION", VERSION + 1)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        JobQueue(tmp_path, float)
    assert shape_of(tmp_path) == before
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT id, output FROM jobs").fetchall() == [(3, "x1.jpg")]


def test_migrations_are_numbered_without_a_gap() -> None:
    """The number of a file is the version that it leads to."""
    files = resources.files("imaged.jobs.migrations").iterdir()
    numbers = sorted(int(file.name.partition("_")[0]) for file in files if file.name.endswith(".sql"))
    assert numbers == list(range(1, VERSION + 1))
