"""The comparison queues the local files that the remote store misses, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_harness import IMAGE, PipelineHarness

from imaged.core.errors import StoreUnavailableError
from imaged.core.files import ORIGINAL, RECORD, ImageFile, parse_file
from imaged.core.formats import FORMATS
from imaged.core.outputs import parse
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.reconcile import reconcile
from imaged.store.local import LocalStore
from imaged.testing.fakes import run_at_once
from imaged.testing.waiting import wait

X30 = parse_file("x30.jpg")
FILES: list[ImageFile] = [ORIGINAL, RECORD, X30]
KEY = f"p/{IMAGE.hash.partition([3, 3])}"


def look(harness: PipelineHarness) -> int:
    """Compare the stores; return how many uploads were added to the queue."""
    before = len(harness.queued("upload"))
    assert wait(reconcile(harness.store, harness.remote, harness.jobs, FORMATS, run_at_once, lambda: True)) is True
    return len(harness.queued("upload")) - before


def test_outputs_of_unknown_formats_are_not_uploaded(harness: PipelineHarness) -> None:
    """No processor gives their content type."""
    fill(harness)
    harness.store.path(IMAGE, parse_file("x30.bmp")).write_bytes(b"BM")
    look(harness)
    assert "x30.bmp" not in harness.queued("upload")


def test_it_ends_early_on_request(harness: PipelineHarness) -> None:
    """A daemon that leaves does not wait for the end of a large store."""
    fill(harness)
    assert wait(reconcile(harness.store, harness.remote, harness.jobs, FORMATS, run_at_once, lambda: False)) is False
    assert harness.queued("upload") == []


def test_its_progress_is_recorded(harness: PipelineHarness) -> None:
    """It counts as ended when it has looked at all images, and not when it ended early."""
    fill(harness)
    comparisons = harness.queue.comparisons
    comparisons.begin(harness.remote.identity)
    wait(reconcile(harness.store, harness.remote, harness.jobs, FORMATS, run_at_once, lambda: False))
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images, told.missing) == ("running", 0, 0)
    look(harness)
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images, told.missing) == ("ended", 1, 3)
    comparisons.begin("another store")
    comparisons.note(harness.remote.identity, "ended", 5, 5)
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images) == ("running", 0)


def test_a_running_upload_may_go_to_another_store(harness: PipelineHarness) -> None:
    """It began before the settings named another store, so the upload is queued again."""
    fill(harness)
    harness.queue.add("upload", IMAGE, [X30])
    (job,) = harness.queue.claim("upload")
    look(harness)
    harness.queue.done([job])
    assert "x30.jpg" in harness.queued("upload")


def test_without_an_uploader_queued_uploads_stay_queued(make_harness: Callable[..., PipelineHarness]) -> None:
    """A later configuration may set one."""
    harness = make_harness(remote=False)
    assert harness.remote.concurrency == 0
    (error,) = wait(harness.pipeline.run_uploads(IMAGE, [X30])).values()
    assert isinstance(error, StoreUnavailableError)


def fill(harness: PipelineHarness) -> None:
    """Keep an original, its record and an output in the local store alone."""
    harness.keep()
    wait(harness.renders.one(IMAGE, parse("x30.jpg")))
    harness.queue._db.execute("DELETE FROM jobs")
    harness.queue._db.execute("DELETE FROM acknowledged")
    harness.uploader.files.clear()


@pytest.mark.parametrize("partitions", [(3, 3), (3, 3, 3), ()])
def test_each_file_that_is_not_marked_is_queued(
    make_harness: Callable[..., PipelineHarness], tmp_path: Path, partitions: tuple[int, ...]
) -> None:
    """Originals and records too, in any layout; other files and folders are ignored."""
    harness = make_harness(store=LocalStore(tmp_path / "public", partitions))
    fill(harness)
    (harness.store.root / "p" / "notes.txt").write_text("mine")
    (harness.store.root / "Other" / "abc").mkdir(parents=True)
    assert look(harness) == 3
    assert sorted(harness.queued("upload")) == sorted(map(str, FILES))
    assert look(harness) == 0


def test_uploads_have_their_content_type(harness: PipelineHarness, pipeline: Pipeline) -> None:
    """Each is marked as stored, so that the next start queues nothing."""
    fill(harness)
    look(harness)
    assert wait(pipeline.run_uploads(IMAGE, FILES)) == dict.fromkeys(FILES)
    harness.queue._db.execute("DELETE FROM jobs")
    assert {key.removeprefix(f"{KEY}/"): kind for key, kind in harness.uploader.content_types.items()} == {
        "original": "image/jpeg",
        "info.json": "application/json",
        "x30.jpg": "image/jpeg",
    }
    assert look(harness) == 0


def test_files_of_the_remote_store_are_not_sent_again(harness: PipelineHarness) -> None:
    """As after a move from image-server 1.x, or to a new machine."""
    fill(harness)
    harness.uploader.files = {f"{KEY}/original": b"", f"{KEY}/x30.jpg": b""}
    assert look(harness) == 1
    assert harness.queued("upload") == ["info.json"]


def test_all_is_queued_while_the_store_is_away(harness: PipelineHarness) -> None:
    """It does not say what it has."""
    fill(harness)
    harness.uploader.failure = StoreUnavailableError("no route")
    assert look(harness) == 3


def test_a_render_job_queues_a_lost_upload(harness: PipelineHarness, pipeline: Pipeline) -> None:
    """A process was killed between the two, and its render job is still queued."""
    fill(harness)
    assert wait(pipeline.run_renders(IMAGE, [X30])) == {X30: None}
    assert harness.queued("upload") == ["x30.jpg"]
    assert harness.processing.total == 1


@pytest.fixture
def pipeline(harness: PipelineHarness) -> Pipeline:
    """Return the pipeline of the harness."""
    return harness.pipeline


class TestMissing:
    """`process` makes the outputs that no store has."""

    def test_each_is_looked_for_in_both_stores(self, harness: PipelineHarness) -> None:
        """A local output is uploaded, and a remote one is not made again."""
        fill(harness)
        outputs = [parse("x30.jpg"), parse("x40.jpg"), parse("x50.jpg")]
        harness.uploader.files = {f"{KEY}/x40.jpg": b""}
        assert wait(harness.pipeline.missing(IMAGE, outputs)) == [parse("x50.jpg")]
        assert harness.queued("upload") == ["x30.jpg"]

    def test_without_a_remote_store_the_local_one_decides(self, make_harness: Callable[..., PipelineHarness]) -> None:
        """No upload is queued."""
        harness = make_harness(remote=False)
        fill(harness)
        assert wait(harness.pipeline.missing(IMAGE, [parse("x30.jpg"), parse("x40.jpg")])) == [parse("x40.jpg")]
        assert harness.queued("upload") == []


class TestReuse:
    """`remote.reuse_outputs`: outputs of the remote store are not made again."""

    @pytest.fixture
    def harness(self, make_harness: Callable[..., PipelineHarness]) -> PipelineHarness:
        """Return a harness with that setting."""
        return make_harness("remote: {reuse_outputs: true}")

    def test_an_output_comes_from_the_remote_store(self, harness: PipelineHarness) -> None:
        """Also when no store has the original."""
        fill(harness)
        output = harness.store.path(IMAGE, X30)
        body = output.read_bytes()
        harness.store.path(IMAGE, ORIGINAL).unlink()
        output.unlink()
        harness.uploader.files = {f"{KEY}/x30.jpg": body}
        wait(harness.renders.one(IMAGE, parse("x30.jpg")))
        assert output.read_bytes() == body
        assert harness.processing.total == 1
        assert harness.queued("upload") == []
        assert harness.temporaries == []

    @pytest.mark.parametrize("there", [{}, {f"{KEY}/x30.jpg": b"no picture"}], ids=["nothing", "no picture"])
    def test_other_outputs_are_rendered(self, harness: PipelineHarness, there: dict[str, bytes]) -> None:
        """The remote store misses them, or has a file of another format."""
        fill(harness)
        harness.store.path(IMAGE, X30).unlink()
        harness.uploader.files = there
        wait(harness.renders.one(IMAGE, parse("x30.jpg")))
        assert harness.processing.total == 2

    def test_a_store_that_fails_costs_a_render(self, harness: PipelineHarness) -> None:
        """The request succeeds."""
        fill(harness)
        harness.store.path(IMAGE, X30).unlink()
        harness.uploader.failure = StoreUnavailableError("no route")
        wait(harness.renders.one(IMAGE, parse("x30.jpg")))
        assert harness.processing.total == 2
