"""No job is lost and no job runs twice at once, whichever process ends."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from imaged.core.errors import BusyError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import CLAIM, Depth, Job, JobQueue
from imaged.jobs.schema import VERSION

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
DOG = ImageId("p", ImageHash("0" * 32))
A, B, C = map(parse, ("x1.jpg", "x2.jpg", "x3.jpg"))
Open = Callable[[], JobQueue]

CLAIMS_ONCE = """
import sys, time
from pathlib import Path
from imaged.jobs.queue import JobQueue
queue = JobQueue(Path(sys.argv[1]), time.time)
print(*sorted(str(job.file) for job in queue.claim("render")), flush=True)
input()
"""
WORKS_OFF = """
import sys, time
from pathlib import Path
from imaged.jobs.queue import JobQueue
queue = JobQueue(Path(sys.argv[1]), time.time)
print("open", flush=True)
input()
while jobs := queue.claim("render"):
    for job in jobs:
        print(job.id)
    queue.done(jobs)
queue.close()
"""


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test moves."""
    return Clock()


@pytest.fixture
def open_queue(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Return a function that opens the queue as each process does."""
    queues: list[JobQueue] = []

    def open_one() -> JobQueue:
        queues.append(JobQueue(tmp_path, clock.seconds))
        return queues[-1]

    yield open_one
    for queue in queues:
        queue.close()


@pytest.fixture
def queue(open_queue: Open) -> JobQueue:
    """Return an empty queue."""
    return open_queue()


def start(program: str, folder: Path) -> subprocess.Popen[str]:
    """Run a program that uses the queue in a process of its own."""
    arguments = [sys.executable, "-c", program, str(folder)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def read_line(process: subprocess.Popen[str]) -> str:
    """Wait for the next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def files_of(jobs: list[Job]) -> list[ImageFile]:
    """Return the files of jobs, in their order."""
    return [job.file for job in jobs]


def test_a_claim_searches_by_turn_and_image(open_queue: Open, tmp_path: Path) -> None:
    """A claim uses indexes and never sorts all due jobs."""
    open_queue()
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as db:
        given = {"owner": "", "kind": "render", "now": 0.0, "most": 1}
        plan = [detail for *_, detail in db.execute(f"EXPLAIN QUERY PLAN {CLAIM}", given)]
    assert re.findall(r"INDEX (\w+)", " ".join(plan)) == ["sqlite_autoindex_jobs_1", "jobs_turn"]
    assert plan.count("USE TEMP B-TREE FOR ORDER BY") == 1


def test_all_of_an_image_is_claimed_together(queue: JobQueue, clock: Clock) -> None:
    """One decode serves every output of the image that has waited longest."""
    queue.add("render", CAT, [A])
    clock.advance(1)
    queue.add("render", DOG, [B])
    queue.add("render", CAT, [C])
    queue.add("upload", CAT, [A])
    assert files_of(queue.claim("render")) == [A, C]
    assert files_of(queue.claim("render")) == [B]
    assert queue.claim("render") == []
    assert files_of(queue.claim("upload")) == [A]


def test_a_failed_job_is_due_after_its_delay(queue: JobQueue, clock: Clock) -> None:
    """A failed job is due again after its delay, with one more attempt."""
    queue.add("render", CAT, [A])
    (job,) = queue.claim("render")
    queue.fail(job, "the disk was full", 10.0)
    clock.advance(9)
    assert queue.claim("render") == []
    assert queue.next_due_s("render") == 1.0
    clock.advance(1)
    (again,) = queue.claim("render")
    assert (again.file, again.attempts) == (A, 1)


def test_a_job_that_failed_for_good_stays_until_it_is_added_again(queue: JobQueue, clock: Clock) -> None:
    """Its state is failed; adding it again queues it with no attempts."""
    queue.add("render", CAT, [A])
    queue.fail(queue.claim("render")[0], "not a picture", None)
    clock.advance(10**6)
    assert queue.claim("render") == []
    assert queue.states(CAT) == {A: "failed"}
    assert queue.depth("render") == Depth(queued=0, running=0, failed=1, oldest_s=None)
    queue.add("render", CAT, [A])
    assert queue.states(CAT) == {A: "pending"}
    assert [job.attempts for job in queue.claim("render")] == [0]


def test_a_job_that_is_added_while_it_runs_runs_once_more(queue: JobQueue) -> None:
    """A job that is added again while it runs is queued again, whether the run succeeds or fails."""
    queue.add("upload", CAT, [A, B, C])
    a, b, c = queue.claim("upload")
    queue.add("upload", CAT, [A, B, C])
    assert queue.claim("upload") == []
    queue.done([a])
    queue.fail(b, "gone", None)
    queue.fail(c, "busy", 60.0)
    again = queue.claim("upload")
    assert [(job.file, job.attempts) for job in again] == [(A, 0), (B, 0), (C, 0)]
    queue.done(again)
    assert queue.depth("upload") == Depth(0, 0, 0, None)


def test_success_forgives_earlier_failures(queue: JobQueue) -> None:
    """A job that succeeded and was added again starts with no attempts."""
    queue.add("upload", CAT, [A])
    queue.fail(queue.claim("upload")[0], "down", 0.0)
    again = queue.claim("upload")
    queue.add("upload", CAT, [A])
    queue.done(again)
    assert [job.attempts for job in again + queue.claim("upload")] == [1, 0]


def test_a_late_end_ends_no_other_job(queue: JobQueue) -> None:
    """A job that is added after its end has a new id, so that a late end of the first one does not touch it."""
    queue.add("render", CAT, [A])
    first = queue.claim("render")
    queue.done(first)
    queue.add("render", CAT, [A])
    second = queue.claim("render")
    queue.done(first)
    queue.fail(first[0], "late", None)
    assert queue.depth("render").running == 1
    queue.done(second)
    assert queue.depth("render") == Depth(0, 0, 0, None)


def test_another_process_cannot_end_a_job(queue: JobQueue, open_queue: Open) -> None:
    """Only the process that runs a job can end it."""
    queue.add("render", CAT, [A])
    jobs = queue.claim("render")
    other = open_queue()
    other.done(jobs)
    other.fail(jobs[0], "not mine", None)
    assert queue.depth("render") == Depth(queued=0, running=1, failed=0, oldest_s=0.0)


def test_a_closed_queue_leaves_its_jobs_to_others(queue: JobQueue, open_queue: Open) -> None:
    """The running jobs of a process that closes the queue go to another process."""
    other = open_queue()
    queue.add("render", CAT, [A])
    queue.claim("render")
    assert (other.recover(), other.claim("render")) == (0, [])
    queue.close()
    assert other.recover() == 1
    assert files_of(other.claim("render")) == [A]


def test_depth_has_the_age_of_the_oldest_job(queue: JobQueue, clock: Clock) -> None:
    """The age of a job counts from when it was queued, however often it was tried, for each kind separately."""
    queue.add("upload", CAT, [A])
    clock.advance(30)
    queue.fail(queue.claim("upload")[0], "down", 60.0)
    queue.add("upload", CAT, [B])
    clock.advance(30)
    assert queue.depth("upload") == Depth(queued=2, running=0, failed=0, oldest_s=60.0)
    assert queue.depth("render") == Depth(0, 0, 0, None)
    assert queue.next_due_s("render") is None


def test_a_killed_process_loses_nothing(tmp_path: Path, queue: JobQueue) -> None:
    """While a process runs, no other takes its jobs; after `kill -9` another does."""
    queue.add("render", CAT, [A, B])
    with start(CLAIMS_ONCE, tmp_path) as process:
        assert read_line(process) == "x1.jpg x2.jpg"
        assert (queue.recover(), queue.claim("render")) == (0, [])
        process.kill()
    assert queue.recover() == 2
    assert [(job.file, job.attempts) for job in queue.claim("render")] == [(A, 0), (B, 0)]


def test_the_next_process_recovers_when_it_opens(tmp_path: Path, open_queue: Open) -> None:
    """After a crash of every process, running jobs are due as soon as the queue is opened."""
    open_queue().add("render", CAT, [A])
    with start(CLAIMS_ONCE, tmp_path) as process:
        assert read_line(process) == str(A)
        process.kill()
    assert files_of(open_queue().claim("render")) == [A]


def test_processes_never_claim_the_same_job(tmp_path: Path, queue: JobQueue) -> None:
    """Three processes share one file: each job is claimed once and none is left."""
    for number in range(60):
        queue.add("render", ImageId("p", ImageHash(f"{number:032x}")), [A, B])
    processes = [start(WORKS_OFF, tmp_path) for _ in range(3)]
    assert [read_line(process) for process in processes] == ["open"] * 3
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed = [int(word) for process in processes for word in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(claimed) == list(range(1, 121))
    assert queue.depth("render") == Depth(0, 0, 0, None)


def test_processes_may_open_a_new_queue_at_once(tmp_path: Path) -> None:
    """Processes that open a new queue at once all succeed."""
    processes = [start(WORKS_OFF, tmp_path) for _ in range(6)]
    ended = [process.communicate("go\n") for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    assert [out for out, _ in ended] == ["open\n"] * 6


def test_commits_reach_the_disk(queue: JobQueue) -> None:
    """WAL lets readers and a writer work side by side; FULL makes the commit of new jobs an fsync."""
    assert queue._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert queue._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert queue._db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_only_new_jobs_wait_for_the_disk(queue: JobQueue) -> None:
    """A claim and an end may be undone by a power cut: the job is claimed again, and finds its files."""
    statements: list[str] = []
    queue.add("render", CAT, [A])
    queue._db.set_trace_callback(statements.append)
    queue.done(queue.claim("render"))
    assert [each.rpartition(" ")[2] for each in statements if "synchronous" in each] == ["NORMAL", "FULL"] * 2
    with pytest.raises(AttributeError):
        queue.done([None])  # type: ignore[list-item]
    statements.clear()
    queue.add("render", CAT, [A])
    assert not [each for each in statements if "synchronous" in each]
    assert queue._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_no_queue_is_refused(tmp_path: Path, clock: Clock) -> None:
    """Garbage is reported, not overwritten."""
    (tmp_path / "jobs.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        JobQueue(tmp_path, clock.seconds)
    assert (tmp_path / "jobs.sqlite").read_bytes() == b"garbage" * 1000


def test_a_row_with_an_unknown_file_fails_alone(queue: JobQueue) -> None:
    """A row whose file the program cannot name, as after a downgrade, fails; the other jobs of the image run."""
    queue.add("render", CAT, [A, B])
    queue._db.execute("UPDATE jobs SET output = 'x2-new.jpg' WHERE output = ?", (str(B),))
    assert files_of(queue.claim("render")) == [A]
    assert queue.states(CAT) == {A: "pending"}
    assert queue.depth("render") == Depth(queued=0, running=1, failed=1, oldest_s=0.0)
    assert "x2-new" in queue._db.execute("SELECT error FROM jobs WHERE state = 'parked'").fetchone()[0]


def test_either_all_jobs_of_a_call_are_queued_or_none(queue: JobQueue) -> None:
    """When SQLite refuses one of several, none is queued, and the queue stays usable."""
    queue._db.execute(
        f"CREATE TEMP TRIGGER refuse BEFORE INSERT ON jobs WHEN NEW.output = '{B}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(sqlite3.IntegrityError):
        queue.add("render", CAT, [A, B])
    assert queue.states(CAT) == {}
    queue.add("render", CAT, [A])
    assert queue.states(CAT) == {A: "pending"}


def test_a_job_that_kills_its_process_waits_longer_each_time(open_queue: Open, clock: Clock) -> None:
    """A job that kills its process is due at once, then later and later, and fails in the end."""
    open_queue().add("render", CAT, [A])
    waited = []
    for _ in range(11):
        queue = open_queue()
        due_s = queue.next_due_s("render")
        assert due_s is not None
        clock.advance(max(0.0, due_s))
        waited.append(max(0.0, due_s))
        assert files_of(queue.claim("render")) == [A]
        queue.close()
    assert waited == [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300][: len(waited)]
    queue = open_queue()
    assert queue.depth("render").failed == 1
    queue.add("render", CAT, [A])
    assert files_of(queue.claim("render")) == [A]


def test_too_many_renders_are_refused(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue refuses renders and takes uploads."""
    monkeypatch.setattr("imaged.jobs.shares.MAXIMUM_RENDERS", 2)
    queue.add("render", CAT, [A, B])
    with pytest.raises(BusyError):
        queue.add("render", CAT, [C])
    queue.add("upload", CAT, [C])
    assert set(queue.states(CAT)) == {A, B}


def test_a_clock_that_was_wrong_puts_nothing_off(queue: JobQueue, clock: Clock, open_queue: Open) -> None:
    """A job that was queued while the clock was a day ahead is due when it is right, also in the next process."""
    clock.advance(86_400)
    queue.add("render", CAT, [A])
    queue.add("render", DOG, [B])
    queue.fail(queue.claim("render")[0], "the disk was full", 300.0)
    clock.advance(-86_400)
    assert queue.claim("render") == []
    assert queue.depth("render").oldest_s == 0
    assert queue.recover() == 2  # as each worker asks for when it finds nothing due
    assert files_of(queue.claim("render")) + files_of(open_queue().claim("render")) == [A, B]


def test_waiting_for_a_retry_is_no_wrong_clock(queue: JobQueue) -> None:
    """The longest regular delay is kept."""
    queue.add("render", CAT, [A])
    queue.fail(queue.claim("render")[0], "the disk was full", 300.0)
    assert queue.recover() == 0
    assert queue.next_due_s("render") == 300.0
