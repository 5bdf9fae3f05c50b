"""A job is in the queue when `enqueue` returns, or `enqueue` raises; a fault is reported for as long as it lasts."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import execute, fail
from twisted.internet.task import Clock

from imaged.core.errors import BusyError, StoreError
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import Depth, JobQueue
from imaged.testing.waiting import wait

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
A, B = map(parse, ("x1.jpg", "x2.jpg"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the queue."""
    return tmp_path / "state"


@pytest.fixture
def queue(folder: Path) -> Iterator[JobQueue]:
    """Return an empty queue."""
    with closing(JobQueue(folder, Clock().seconds)) as queue:
        yield queue


@pytest.fixture
def jobs(queue: JobQueue) -> AsyncJobQueue:
    """Return the empty queue, whose functions run at once."""
    return AsyncJobQueue(queue, execute)  # type: ignore[arg-type]


def untouched(*_: Any) -> Any:
    """Fail a test that touches the queue."""
    pytest.fail("touched the queue")


def full(*_: Any) -> Any:
    """Fail as SQLite does on a full disk."""
    return fail(sqlite3.OperationalError("database or disk is full"))


def test_a_new_job_is_durable_and_wakes_its_worker(queue: JobQueue, jobs: AsyncJobQueue) -> None:
    """The worker of that kind is woken after the job is in the queue, and no other."""
    woken: list[int] = []
    jobs.on_new_work("upload", lambda: woken.append(queue.depth("upload").queued))
    wait(jobs.enqueue("upload", CAT, [A, B]))
    wait(jobs.enqueue("render", CAT, [A]))
    assert woken == [2]
    assert wait(jobs.states(CAT)) == {A: "pending"}
    assert wait(jobs.depth("upload")) == Depth(queued=2, running=0, failed=0, oldest_s=0.0)


def test_no_outputs_cost_nothing(queue: JobQueue) -> None:
    """For no outputs, the disk is not touched and no worker is woken."""
    jobs, woken = AsyncJobQueue(queue, untouched), []  # type: ignore[arg-type]
    jobs.on_new_work("render", lambda: woken.append(1))
    wait(jobs.enqueue("render", CAT, []))
    assert woken == []


def test_a_queue_that_cannot_be_written_is_an_error(queue: JobQueue) -> None:
    """Any error of sqlite3 raises StoreError, and no worker is woken."""
    jobs, woken = AsyncJobQueue(queue, full), []  # type: ignore[arg-type]
    jobs.on_new_work("render", lambda: woken.append(1))
    with pytest.raises(StoreError, match=f"cannot add jobs for {CAT}: database or disk is full"):
        wait(jobs.enqueue("render", CAT, [A]))
    assert woken == []


def test_a_queue_that_cannot_be_read_is_an_error(queue: JobQueue) -> None:
    """Any error of sqlite3 raises StoreError, so that a client gets 503."""
    jobs = AsyncJobQueue(queue, full)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=f"cannot list the jobs for {CAT}: database or disk is full"):
        wait(jobs.states(CAT))


def refused(jobs: AsyncJobQueue) -> str:
    """Return why a render cannot be queued."""
    with pytest.raises(StoreError) as raised:
        wait(jobs.enqueue("render", CAT, [A]))
    return str(raised.value)


def test_a_full_disk_is_a_fault_until_there_is_room(jobs: AsyncJobQueue) -> None:
    """Reads succeed on a full disk, and do not clear the fault."""
    db = jobs.queue._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    names = [parse(f"x{number}.jpg") for number in range(1, 2001)]
    with pytest.raises(StoreError, match="full"):
        wait(jobs.enqueue("render", CAT, names))
    assert jobs.fault == "database or disk is full"
    assert getattr(wait(jobs.depth("render")), "queued", None) == 0
    assert jobs.fault == "database or disk is full"
    db.execute(f"PRAGMA max_page_count = {pages + 1000}")
    wait(jobs.try_again())
    assert jobs.fault is None
    wait(jobs.enqueue("render", CAT, names))


def test_a_disk_without_room_is_found_out(jobs: AsyncJobQueue, folder: Path) -> None:
    """The trial writes more than SQLite may have room for in its file, and leaves no file."""
    jobs.fault = "database or disk is full"
    wait(jobs.try_again())
    assert jobs.fault is None
    assert not (folder / "trial").exists()
    jobs.fault = "database or disk is full"
    (folder / "trial").mkdir()
    with pytest.raises(OSError, match="trial"):
        wait(jobs.try_again())
    assert "trial" in str(jobs.fault)
    (folder / "trial").rmdir()


@pytest.mark.parametrize("is_full", [True, False])
def test_an_error_without_a_reason_is_a_full_disk_where_a_trial_finds_one(
    jobs: AsyncJobQueue,
    folder: Path,
    is_full: bool,  # noqa: FBT001
) -> None:
    """SQLite says no more than this of an fsync that lacks room."""

    def break_down() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    if is_full:
        (folder / "trial").symlink_to("/dev/full")
    error: type[Exception] = OSError if is_full else sqlite3.OperationalError
    with pytest.raises(error):
        wait(jobs.run(break_down))
    assert jobs.disk_is_full is is_full
    assert not (folder / "trial").exists()


def test_a_removed_queue_takes_no_jobs(jobs: AsyncJobQueue, folder: Path, tmp_path: Path) -> None:
    """A removed file is a fault, although SQLite can still write to it; moved back, it works again."""
    wait(jobs.enqueue("render", CAT, [A]))
    folder.rename(tmp_path / "away")
    assert "was removed or replaced while imaged ran: restart imaged" in refused(jobs)
    assert wait(jobs.depth("render")) is None
    assert "was removed" in str(jobs.fault)
    with pytest.raises(FileNotFoundError):
        wait(jobs.try_again())
    (tmp_path / "away").rename(folder)
    wait(jobs.try_again())
    assert jobs.fault is None
    assert getattr(wait(jobs.depth("render")), "queued", None) == 1


def test_another_file_in_its_place_is_not_the_queue(jobs: AsyncJobQueue, folder: Path) -> None:
    """A copy in its place is a fault too."""
    copy = folder / "copy"
    shutil.copy(folder / "jobs.sqlite", copy)
    copy.rename(folder / "jobs.sqlite")
    assert "was removed or replaced" in refused(jobs)


def test_a_queue_that_is_full_of_jobs_is_well(jobs: AsyncJobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue refuses renders and is no fault."""
    monkeypatch.setattr("imaged.jobs.shares.MAXIMUM_RENDERS", 0)
    with pytest.raises(BusyError):
        wait(jobs.enqueue("render", CAT, [A]))
    assert jobs.fault is None


def test_a_fault_is_short_and_in_one_line(jobs: AsyncJobQueue) -> None:
    """A fault is one short line of printable text."""

    def break_down() -> Any:
        raise sqlite3.OperationalError("disk\nI/O \udcff" * 1000)

    with pytest.raises(sqlite3.OperationalError):
        wait(jobs.run(break_down))
    assert str(jobs.fault).startswith("disk I/O")
    assert len(str(jobs.fault).encode()) < 1000
    assert "\n" not in str(jobs.fault)
