"""What a remote store is known to hold is not sent again, and what is owed is not owed twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.hashes import ImageHash, ImageId
from imaged.jobs.queue import JobQueue

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
OTHER_CAT = ImageId("q", CAT.hash)
DOG = ImageId("p", ImageHash("0" * 32))
NAMES = ["info.json", "original", "w1.jpg"]
HERE, THERE = "s3 bucket a", "s3 bucket b"

images = st.sampled_from([CAT, OTHER_CAT, DOG])
names = st.lists(st.sampled_from(NAMES))
remotes = st.sampled_from([HERE, THERE])


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return an empty queue."""
    queue = JobQueue(tmp_path, float)
    yield queue
    queue.close()


def test_a_new_store_lacks_everything(queue: JobQueue) -> None:
    """Of each image the files that it has, sorted; an image without files is none."""
    files = [(CAT, ["w1.jpg", "original"]), (DOG, ["original"]), (OTHER_CAT, [])]
    assert queue.acknowledged.missing(HERE, files) == [(CAT, ["original", "w1.jpg"]), (DOG, ["original"])]


def test_what_is_known_to_be_there_is_not_missing(queue: JobQueue) -> None:
    """Of that image, in that namespace, in that store alone; to learn it twice is fine."""
    queue.acknowledged.add(HERE, CAT, ["original"])
    queue.acknowledged.add(HERE, CAT, ["original", "info.json"])
    assert queue.acknowledged.missing(HERE, [(CAT, NAMES)]) == [(CAT, ["w1.jpg"])]
    assert queue.acknowledged.missing(HERE, [(CAT, ["original"])]) == []
    for remote, image in ((HERE, OTHER_CAT), (HERE, DOG), (THERE, CAT)):
        assert queue.acknowledged.missing(remote, [(image, NAMES)]) == [(image, NAMES)]


def test_what_is_owed_is_not_missing(queue: JobQueue) -> None:
    """An upload that waits, runs or is parked will be seen to; a render is no upload."""
    queue.add("upload", CAT, ["original"])
    queue.failed(queue.claim("upload")[0], "no", None)
    queue.add("upload", CAT, ["info.json"])
    queue.add("render", CAT, ["w1.jpg"])
    assert queue.acknowledged.missing(HERE, [(CAT, NAMES)]) == [(CAT, ["w1.jpg"])]


def test_what_is_known_outlives_the_process(tmp_path: Path) -> None:
    """It is in the file."""
    queue = JobQueue(tmp_path, float)
    queue.acknowledged.add(HERE, CAT, NAMES)
    queue.close()
    queue = JobQueue(tmp_path, float)
    assert queue.acknowledged.missing(HERE, [(CAT, NAMES)]) == []
    queue.close()


@given(
    added=st.lists(st.tuples(remotes, images, names), max_size=8),
    owed=st.lists(st.tuples(images, names), max_size=4),
    asked=st.lists(st.tuples(images, names), max_size=4),
    remote=remotes,
)
def test_missing_is_what_is_neither_known_nor_owed(
    tmp_path_factory: pytest.TempPathFactory,
    added: list[tuple[str, ImageId, list[str]]],
    owed: list[tuple[ImageId, list[str]]],
    asked: list[tuple[ImageId, list[str]]],
    remote: str,
) -> None:
    """Set for set, whatever was learnt in whatever order."""
    queue = JobQueue(tmp_path_factory.mktemp("state"), float)
    for store, image, some in added:
        queue.acknowledged.add(store, image, some)
    for image, some in owed:
        queue.add("upload", image, some)
    known = {(image, name) for store, image, some in added if store == remote for name in some}
    known |= {(image, name) for image, some in owed for name in some}
    expected = [(image, sorted(name for name in set(some) if (image, name) not in known)) for image, some in asked]
    assert queue.acknowledged.missing(remote, asked) == [each for each in expected if each[1]]
    queue.close()


def test_a_store_that_has_another_name_now_keeps_what_is_noted(queue: JobQueue) -> None:
    """What was noted under either name counts, once; what is noted of others stays with them."""
    queue.acknowledged.add(HERE, CAT, ["original", "info.json"])
    queue.acknowledged.add("s3 bucket-a", CAT, ["original", "w1.jpg"])
    queue.acknowledged.add(THERE, DOG, ["original"])
    assert queue.acknowledged.take_over(HERE, "s3 bucket-a") == 1
    assert queue.acknowledged.missing("s3 bucket-a", [(CAT, NAMES)]) == []
    assert queue.acknowledged.missing(HERE, [(CAT, NAMES)]) == [(CAT, NAMES)]
    assert queue.acknowledged.missing(THERE, [(DOG, ["original"])]) == []
    assert queue.acknowledged.take_over(HERE, "s3 bucket-a") == 0
    assert queue.acknowledged.take_over(THERE, THERE) == 0
    assert queue.acknowledged.missing(THERE, [(DOG, ["original"])]) == []
