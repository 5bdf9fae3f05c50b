"""What a queue does for one job does not grow with the jobs that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tallying import check_tallies

from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import JobQueue, Kind

FEW, MANY = 100, 10_000
OUTPUTS = [parse(f"x{side}.jpg") for side in (1, 2, 3)]

INSERT = (
    "INSERT INTO jobs (kind, namespace, hash, output, created_at, due_at, client, turn) "
    "VALUES (?, 'p', ?, 'w1.jpg', 0, 0, ?, ?)"
)


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[Callable[[int], JobQueue]]:
    """Return a function that opens a queue with so many renders, of forty clients, and as many uploads."""
    opened: list[JobQueue] = []

    def grown(jobs: int) -> JobQueue:
        folder = tmp_path / str(jobs)
        folder.mkdir()
        queue = JobQueue(folder, lambda: 1.0)
        opened.append(queue)
        rows = [(kind, f"{n:032x}", f"192.0.2.{n % 40}", n // 40) for kind in ("render", "upload") for n in range(jobs)]
        with queue._db:
            queue._db.execute("BEGIN")
            queue._db.executemany(INSERT, rows)
        return queue

    yield grown
    for each in opened:
        each.close()


def steps(queue: JobQueue, work: Callable[[JobQueue], Any]) -> int:
    """Return how many instructions SQLite's machine executes for `work`: each row that it reads takes some."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    queue._db.set_progress_handler(count, 1)
    try:
        work(queue)
    finally:
        queue._db.set_progress_handler(None, 0)
    return counted


def end_all(queue: JobQueue, kind: Kind) -> None:
    """Do all jobs of a kind."""
    while jobs := queue.claim(kind):
        queue.done(jobs)


def image(digit: str) -> ImageId:
    """Return an image that has no jobs yet."""
    return ImageId("p", ImageHash(digit * 32))


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda queue: queue.add("render", image("a"), OUTPUTS, "192.0.2.1"), id="of a busy client"),
        pytest.param(lambda queue: queue.add("render", image("a"), OUTPUTS, "198.51.100.1"), id="of a new client"),
        pytest.param(lambda queue: queue.add("upload", image("a"), OUTPUTS), id="an upload"),
        pytest.param(lambda queue: queue.done(queue.claim("render")), id="a claim of renders"),
        pytest.param(lambda queue: queue.done(queue.claim("upload")), id="a claim of uploads"),
        pytest.param(lambda queue: queue.fail(queue.claim("render")[0], "no", None), id="a failure"),
        pytest.param(lambda queue: queue.states(image("0")), id="the states of an image"),
        pytest.param(lambda queue: [queue.depth(kind) for kind in ("render", "upload")], id="the depth"),
        pytest.param(lambda queue: queue.next_due_s("render"), id="the next due job"),
        pytest.param(lambda queue: queue.recover(), id="a recovery"),
        pytest.param(lambda queue: queue.uploaded.missing("s3", [(image("0"), OUTPUTS)]), id="a comparison"),
    ],
)
def test_a_hundred_times_the_jobs_are_no_more_steps(
    grown: Callable[[int], JobQueue], work: Callable[[JobQueue], Any]
) -> None:
    """SQLite finds what it needs by indexes and tallies, and reads no other rows."""
    assert steps(grown(MANY), work) <= 1.1 * steps(grown(FEW), work) + 10


def test_steps_are_counted(grown: Callable[[int], JobQueue]) -> None:
    """A statement that reads all rows takes a hundred times the steps."""

    def read_all(queue: JobQueue) -> None:
        queue._db.execute("SELECT max(client) FROM jobs").fetchall()

    assert steps(grown(MANY), read_all) > 50 * steps(grown(FEW), read_all)


def test_tallies_follow_every_change(grown: Callable[[int], JobQueue]) -> None:
    """They agree with a count of all rows after each kind of change, the end of the last job of a client included."""
    queue = grown(FEW)
    changes: list[Callable[[], Any]] = [
        lambda: queue.add("render", image("a"), OUTPUTS, "198.51.100.1"),
        lambda: queue.add("render", image("a"), OUTPUTS, "198.51.100.2"),
        lambda: queue.fail(queue.claim("render")[0], "no", None),
        lambda: queue.add("render", ImageId("p", ImageHash(f"{0:032x}")), [parse("w1.jpg")], "198.51.100.3"),
        lambda: end_all(queue, "render"),
        lambda: end_all(queue, "upload"),
    ]
    for change in changes:
        change()
        check_tallies(queue._db)
    assert queue._db.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
