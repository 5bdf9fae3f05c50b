"""Files that a remote store is known to hold are not uploaded again, and no upload is queued twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.jobs.queue import JobQueue, Kind

CAT = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
OTHER_CAT = ImageId("q", CAT.hash)
DOG = ImageId("p", ImageHash("0" * 32))
W1, W2 = parse("w1.jpg"), parse("w2.jpg")
FILES: list[ImageFile] = [RECORD, ORIGINAL, W1]
HERE, THERE = "s3 bucket a", "s3 bucket b"

images = st.sampled_from([CAT, OTHER_CAT, DOG])
files = st.lists(st.sampled_from(FILES))
remotes = st.sampled_from([HERE, THERE])


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    """Return an empty queue."""
    queue = JobQueue(tmp_path, float)
    yield queue
    queue.close()


def test_a_new_store_lacks_everything(queue: JobQueue) -> None:
    """A new store lacks every file of each image, by name; an image without files is left out."""
    asked: list[tuple[ImageId, list[ImageFile]]] = [(CAT, [W1, ORIGINAL]), (DOG, [ORIGINAL]), (OTHER_CAT, [])]
    assert queue.uploaded.missing(HERE, asked) == [(CAT, [ORIGINAL, W1]), (DOG, [ORIGINAL])]


def test_recorded_files_are_not_missing(queue: JobQueue) -> None:
    """A record holds for one image of one namespace in one store; a second record changes nothing."""
    queue.uploaded.add(HERE, CAT, [ORIGINAL])
    queue.uploaded.add(HERE, CAT, [ORIGINAL, RECORD])
    assert queue.uploaded.missing(HERE, [(CAT, FILES)]) == [(CAT, [W1])]
    assert queue.uploaded.missing(HERE, [(CAT, [ORIGINAL])]) == []
    for remote, image in ((HERE, OTHER_CAT), (HERE, DOG), (THERE, CAT)):
        assert queue.uploaded.missing(remote, [(image, FILES)]) == [(image, FILES)]


def test_queued_uploads_are_not_missing(queue: JobQueue) -> None:
    """A file whose upload is queued or has failed is not missing; a queued render is not an upload."""
    queue.add("upload", CAT, [ORIGINAL])
    queue.fail(queue.claim("upload")[0], "no", None)
    queue.add("upload", CAT, [RECORD])
    queue.add("render", CAT, [W1])
    assert queue.uploaded.missing(HERE, [(CAT, FILES)]) == [(CAT, [W1])]


def test_records_outlive_the_process(tmp_path: Path) -> None:
    """The records are in the queue's file."""
    queue = JobQueue(tmp_path, float)
    queue.uploaded.add(HERE, CAT, FILES)
    queue.close()
    queue = JobQueue(tmp_path, float)
    assert queue.uploaded.missing(HERE, [(CAT, FILES)]) == []
    queue.close()


@settings(deadline=None)
@given(
    added=st.lists(st.tuples(remotes, images, files), max_size=8),
    queued=st.lists(st.tuples(images, files), max_size=4),
    asked=st.lists(st.tuples(images, files), max_size=4),
    remote=remotes,
)
def test_missing_files_are_neither_recorded_nor_queued(
    tmp_path_factory: pytest.TempPathFactory,
    added: list[tuple[str, ImageId, list[ImageFile]]],
    queued: list[tuple[ImageId, list[ImageFile]]],
    asked: list[tuple[ImageId, list[ImageFile]]],
    remote: str,
) -> None:
    """Missing files are those without record and without queued upload, in any order of events."""
    queue = JobQueue(tmp_path_factory.mktemp("state"), float)
    for store, image, some in added:
        queue.uploaded.add(store, image, some)
    for image, some in queued:
        queue.add("upload", image, some)
    known = {(image, file) for store, image, some in added if store == remote for file in some}
    known |= {(image, file) for image, some in queued for file in some}
    expected = [
        (image, sorted((file for file in set(some) if (image, file) not in known), key=str)) for image, some in asked
    ]
    assert queue.uploaded.missing(remote, asked) == [each for each in expected if each[1]]
    queue.close()


def test_a_renamed_store_keeps_its_records(queue: JobQueue) -> None:
    """The records of both names count once; those of other stores stay with them."""
    queue.uploaded.add(HERE, CAT, [ORIGINAL, RECORD])
    queue.uploaded.add("s3 bucket-a", CAT, [ORIGINAL, W1])
    queue.uploaded.add(THERE, DOG, [ORIGINAL])
    assert queue.uploaded.take_over(HERE, "s3 bucket-a") == 1
    assert queue.uploaded.missing("s3 bucket-a", [(CAT, FILES)]) == []
    assert queue.uploaded.missing(HERE, [(CAT, FILES)]) == [(CAT, FILES)]
    assert queue.uploaded.missing(THERE, [(DOG, [ORIGINAL])]) == []
    assert queue.uploaded.take_over(HERE, "s3 bucket-a") == 0
    assert queue.uploaded.take_over(THERE, THERE) == 0
    assert queue.uploaded.missing(THERE, [(DOG, [ORIGINAL])]) == []


class TestSettled:
    """What may be forgotten: a file that no job needs, and that the remote store holds where there is one."""

    def test_without_a_remote_store_outputs_are_settled(self, queue: JobQueue) -> None:
        """Originals never are: nothing could bring them back."""
        assert queue.uploaded.settled(None, [(CAT, FILES), (DOG, [W1])]) == [(CAT, W1), (DOG, W1)]

    @pytest.mark.parametrize("kind", ["render", "upload"])
    def test_a_file_that_a_job_needs_is_not(self, queue: JobQueue, kind: Kind) -> None:
        """Whether the job is queued, runs or has failed; other outputs and other images are."""
        queue.add(kind, CAT, [W1])
        asked: list[tuple[ImageId, list[ImageFile]]] = [(CAT, [W1, W2]), (OTHER_CAT, [W1])]
        settled = [(CAT, W2), (OTHER_CAT, W1)]
        assert queue.uploaded.settled(None, asked) == settled
        (job,) = queue.claim(kind)
        assert queue.uploaded.settled(None, asked) == settled
        queue.fail(job, "no", None)
        assert queue.uploaded.settled(None, asked) == settled

    def test_a_file_that_the_remote_store_is_not_known_to_hold_is_not(self, queue: JobQueue) -> None:
        """That another store holds it does not count."""
        queue.uploaded.add(HERE, CAT, [W1])
        queue.uploaded.add(THERE, CAT, [W2])
        assert queue.uploaded.settled(HERE, [(CAT, [W1, W2])]) == [(CAT, W1)]

    def test_an_original_is_held_with_its_record_only(self, queue: JobQueue) -> None:
        """Without its record, the remote copy could be another file with the same MD5."""
        queue.uploaded.add(HERE, CAT, [ORIGINAL])
        assert queue.uploaded.settled(HERE, [(CAT, [ORIGINAL, RECORD])]) == []
        queue.uploaded.add(HERE, CAT, [RECORD])
        assert queue.uploaded.settled(HERE, [(CAT, [ORIGINAL, RECORD])]) == [(CAT, ORIGINAL), (CAT, RECORD)]

    def test_a_queued_render_needs_no_original_that_can_come_back(self, queue: JobQueue) -> None:
        """Where originals fill the store, it waits for room, and would keep what takes it. Their own uploads do."""
        queue.uploaded.add(HERE, CAT, FILES)
        queue.add("render", CAT, [W1])
        assert queue.uploaded.settled(HERE, [(CAT, FILES)]) == [(CAT, RECORD), (CAT, ORIGINAL)]
        queue.add("upload", CAT, [RECORD])
        assert queue.uploaded.settled(HERE, [(CAT, FILES)]) == []
