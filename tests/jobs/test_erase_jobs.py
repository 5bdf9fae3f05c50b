"""An erasure replaces what is queued for its picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tallying import check_tallies

from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import JobQueue

CAT, DOG = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91")), ImageId("p", ImageHash("0" * 32))
A, B = map(parse, ("x1.jpg", "x2.jpg"))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return a queue with renders and uploads of two pictures, some of which run."""
    with closing(JobQueue(tmp_path, float)) as queue:
        for image in (CAT, DOG):
            queue.add("render", image, [A, B])
            queue.add("upload", image, [A])
            for remote in ("s3", "manta"):
                queue.uploaded.add(remote, image, [ORIGINAL, RECORD, B])
        yield queue


def rows(queue: JobQueue) -> list[tuple[str, str, str, str]]:
    """Return all jobs."""
    query = "SELECT kind, hash, output, state FROM jobs ORDER BY id"
    return list(queue._db.execute(query).fetchall())


@pytest.mark.parametrize("enqueue", [True, False])
def test_the_jobs_of_a_picture_go(queue: JobQueue, *, enqueue: bool) -> None:
    """With the record of its uploads to each store, and whatever runs; those of other pictures stay."""
    running = queue.claim("render")
    assert [job.image for job in running] == [CAT, CAT]
    others = [row for row in rows(queue) if row[1] == str(DOG.hash)]
    queue.erase(CAT, enqueue=enqueue)
    erasure = [("erase", str(CAT.hash), "original", "queued")] if enqueue else []
    assert rows(queue) == [*others, *erasure]
    check_tallies(queue._db)
    queue.done(running)
    queue.fail(running[0], "late", 1.0)
    assert rows(queue) == [*others, *erasure]
    for remote in ("s3", "manta"):
        assert queue.uploaded.missing(remote, [(CAT, [ORIGINAL, B]), (DOG, [ORIGINAL, B])]) == [(CAT, [ORIGINAL, B])]


def test_an_erasure_that_is_ordered_while_it_runs_runs_again(queue: JobQueue) -> None:
    """It may have looked for files before the later one."""
    queue.erase(CAT, enqueue=True)
    (job,) = queue.claim("erase")
    queue.erase(CAT, enqueue=True)
    queue.done([job])
    assert queue.claim("erase") == [job]
    assert queue.depth("erase").running == 1
    queue.done([job])
    assert queue.claim("erase") == []


def test_the_uploads_of_outputs_are_forgotten(queue: JobQueue) -> None:
    """Queued ones, and the record of earlier ones; the original and renders stay."""
    queue.forget_uploads(CAT, [A, B])
    assert ("upload", str(CAT.hash), "x1.jpg", "queued") not in rows(queue)
    assert len(rows(queue)) == 5
    assert queue.uploaded.missing("s3", [(CAT, [ORIGINAL, RECORD, B])]) == [(CAT, [B])]
