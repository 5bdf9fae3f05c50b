"""The operator's commands list the whole queue and change failed jobs only."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from imaged.core.errors import ImagedError, NotFoundError, StoreError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import Output, parse
from imaged.jobs import admin
from imaged.jobs.admin import ListedJob, administer
from imaged.jobs.queue import Job, JobQueue
from imaged.jobs.schema import VERSION

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
DOG = ImageId("p", ImageHash("0" * 32))
A, B, C, D = map(parse, ("x1.jpg", "x2.jpg", "x3.jpg", "x4.jpg"))
OTHER_USER = 65534


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test moves."""
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[JobQueue]:
    """Return the queue of a daemon that runs."""
    queue = JobQueue(tmp_path, clock.seconds)
    yield queue
    queue.close()


def park(queue: JobQueue, image: ImageId, *outputs: Output) -> list[Job]:
    """Let renders of an image fail for good."""
    queue.add("render", image, outputs)
    jobs = queue.claim("render")
    for job in jobs:
        queue.fail(job, "no picture", None)
    return jobs


def test_failed_jobs_are_listed_first(tmp_path: Path, clock: Clock, queue: JobQueue) -> None:
    """Failed jobs come first, with every detail; the others follow by id."""
    queue.add("upload", DOG, [ORIGINAL])
    queue.claim("upload")
    queue.add("upload", CAT, [RECORD])
    (job,) = park(queue, CAT, A)
    clock.advance(90)
    with administer(tmp_path, clock.seconds) as seen:
        entries = list(seen.jobs(None, failed_only=False))
        assert list(seen.jobs(None, failed_only=True)) == entries[:1]
        assert list(seen.jobs("upload", failed_only=False)) == entries[1:]
        assert list(seen.jobs("upload", failed_only=True)) == []
    assert entries[0] == ListedJob(job.id, "render", "parked", 1, 90.0, f"p/{CAT.hash}", "x1.jpg", "no picture")
    assert [(entry.id, entry.state, entry.output, entry.error) for entry in entries[1:]] == [
        (1, "running", "original", ""),
        (2, "queued", "info.json", ""),
    ]


def test_a_long_queue_is_listed_once_and_whole(tmp_path: Path, queue: JobQueue, clock: Clock) -> None:
    """Each job is listed once, page by page, while the daemon adds and removes jobs."""
    queue.add("upload", CAT, [parse(f"w{width}.jpg") for width in range(1, 2 * admin.PAGE + 2)])
    with administer(tmp_path, clock.seconds) as seen:
        entries = seen.jobs(None, failed_only=False)
        first = next(entries)
        queue.add("upload", DOG, [A])
        ids = [first.id, *(entry.id for entry in entries)]
    assert ids == list(range(1, 2 * admin.PAGE + 3))


def test_a_retried_job_starts_again(tmp_path: Path, clock: Clock, queue: JobQueue) -> None:
    """A retried job is due now with no failed attempts, and the daemon claims it."""
    jobs = park(queue, CAT, A, B)
    clock.advance(1)
    with administer(tmp_path, clock.seconds) as seen:
        assert seen.retry([jobs[0].id, jobs[0].id]) == 1
    assert [(job.file, job.attempts) for job in queue.claim("render")] == [(A, 0)]
    assert queue.states(CAT) == {A: "pending", B: "failed"}


def test_all_failed_jobs_can_be_retried(tmp_path: Path, clock: Clock, queue: JobQueue) -> None:
    """Failed jobs of both kinds are retried, and no others."""
    park(queue, CAT, A, B)
    queue.add("upload", CAT, [ORIGINAL])
    queue.fail(queue.claim("upload")[0], "gone", None)
    queue.add("render", DOG, [C])
    (waits,) = queue.claim("render")
    queue.fail(waits, "busy", 60)
    with administer(tmp_path, clock.seconds) as seen:
        assert seen.retry(None) == 3
        assert seen.retry(None) == 0
    assert sorted((job.file for job in queue.claim("render")), key=str) == [A, B]
    assert [job.file for job in queue.claim("upload")] == [ORIGINAL]


def test_dropped_jobs_are_gone(tmp_path: Path, clock: Clock, queue: JobQueue) -> None:
    """Failed jobs are dropped by id or all at once; the others stay queued."""
    jobs = park(queue, CAT, A, B, C)
    queue.add("render", DOG, [D])
    with administer(tmp_path, clock.seconds) as seen:
        assert seen.drop([jobs[1].id]) == 1
        assert queue.states(CAT) == {A: "failed", C: "failed"}
        assert seen.drop(None) == 2
    assert queue.states(CAT) == {}
    assert queue.states(DOG) == {D: "pending"}


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_only_failed_jobs_can_be_changed(tmp_path: Path, clock: Clock, queue: JobQueue, verb: str) -> None:
    """A job that has not failed stops the whole command, the message names each, and nothing changes."""
    (bad,) = park(queue, CAT, A)
    queue.add("render", DOG, [B])
    queue.claim("render")
    queue.add("render", DOG, [C])
    with administer(tmp_path, clock.seconds) as seen:
        with pytest.raises(ImagedError) as caught:
            getattr(seen, verb)([bad.id, bad.id + 1, bad.id + 2, 99])
        assert str(caught.value) == "job 2 is running, not parked; job 3 is queued, not parked; there is no job 99"
    depth = queue.depth("render")
    assert (depth.queued, depth.running, depth.failed) == (1, 1, 1)


def test_a_queue_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A missing queue is an error, and neither folder nor file is created."""
    for folder in (tmp_path, tmp_path / "a" / "b"):
        with pytest.raises(NotFoundError, match="no job queue in"), administer(folder, float):
            pytest.fail("there is none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "error", "advice"),
    [
        (0, NotFoundError, "no job queue in"),
        (VERSION - 1, StoreError, "of an older imaged: it has version .* start or upgrade the daemon"),
        (VERSION + 1, StoreError, "of a newer imaged: it has version .* install the newer imaged"),
    ],
)
def test_a_queue_of_another_version_is_refused(
    tmp_path: Path, version: int, error: type[Exception], advice: str
) -> None:
    """A queue of another version, or without one yet, is an error and stays unchanged."""
    db = sqlite3.connect(tmp_path / "jobs.sqlite")
    db.execute("CREATE TABLE jobs (id)")
    db.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(error, match=advice), administer(tmp_path, float):
        pytest.fail("not to be read")
    assert db.execute("PRAGMA user_version").fetchone() == (version,)
    db.close()


def test_a_file_that_is_no_queue_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no queue and a locked queue raise StoreError."""
    (tmp_path / "jobs.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"), administer(tmp_path, float):
        pytest.fail("not to be read")
    (tmp_path / "jobs.sqlite").unlink()
    JobQueue(tmp_path, float).close()
    busy = sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(admin, "BUSY_TIMEOUT_S", 0.05)
    with pytest.raises(StoreError, match="cannot be used: database is locked"), administer(tmp_path, float) as seen:
        seen.retry(None)
    busy.close()


def test_errors_of_the_caller_pass_through(tmp_path: Path) -> None:
    """An error inside the block that is not SQLite's passes through."""
    JobQueue(tmp_path, float).close()
    with pytest.raises(BrokenPipeError), administer(tmp_path, float):
        raise BrokenPipeError


CHANGES = """
import os, sys, time
from pathlib import Path
from imaged.jobs.admin import administer
if int(sys.argv[2]):
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
try:
    with administer(Path(sys.argv[1]), time.time) as seen:
        seen.retry(None)
        print(*sorted({os.stat(path).st_uid for path in Path(sys.argv[1]).glob("jobs.sqlite*")}))
except Exception as error:
    print(type(error).__name__, error)
"""


def changes(folder: Path, uid: int) -> str:
    """Run a process of another user (0: this one) that changes the queue; return its output."""
    command = [sys.executable, "-c", CHANGES, str(folder), str(uid)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_leaves_no_file_that_the_daemon_cannot_write(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The log file that root creates beside the queue belongs to the queue's owner."""
    folder = tmp_path_factory.mktemp("state")
    JobQueue(folder, float).close()
    os.chown(folder, OTHER_USER, OTHER_USER)
    os.chown(folder / "jobs.sqlite", OTHER_USER, OTHER_USER)
    assert changes(folder, 0) == f"{OTHER_USER}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_the_queue_of_another_user_is_an_error(tmp_path: Path) -> None:
    """A user who may not enter the folder or write the file gets one line of advice."""
    JobQueue(tmp_path, float).close()
    for path in (tmp_path, *list(tmp_path.parents)[:3]):
        if path.stat().st_uid == os.geteuid() and path != Path("/tmp"):
            path.chmod(0o755)
    begin, end = f"StoreError the job queue in {tmp_path} cannot be used: ", "; be the user of the daemon, or root\n"
    for mode in (0o755, 0o700):
        tmp_path.chmod(mode)
        said = changes(tmp_path, OTHER_USER)
        assert said.startswith(begin)
        assert said.endswith(end)
    assert said == f"{begin}Permission denied{end}"
