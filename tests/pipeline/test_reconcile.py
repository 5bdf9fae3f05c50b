"""What lies in the local store and never got to the remote one is found, and nothing else is sent again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_harness import IMAGE, PipelineHarness

from imaged.core.errors import StoreUnavailableError
from imaged.core.files import ORIGINAL, RECORD, parse_file
from imaged.core.formats import FORMATS
from imaged.core.outputs import parse
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.reconcile import reconcile
from imaged.store.local import LocalStore
from imaged.testing.fakes import run_at_once
from imaged.testing.waiting import wait

X30 = parse_file("x30.jpg")
FILES = [ORIGINAL, RECORD, X30]
KEY = f"p/{IMAGE.hash.partition([3, 3])}"


def look(harness: PipelineHarness) -> int:
    """Compare the stores; return how many uploads are owed that were not before."""
    before = len(harness.owed("upload"))
    assert wait(reconcile(harness.store, harness.remote, harness.jobs, FORMATS, run_at_once, lambda: True)) is True
    return len(harness.owed("upload")) - before


def test_outputs_of_unknown_formats_are_not_uploaded(harness: PipelineHarness) -> None:
    """No processor says what their content type is."""
    fill(harness)
    harness.store.path(IMAGE, parse_file("x30.bmp")).write_bytes(b"BM")
    look(harness)
    assert "x30.bmp" not in harness.owed("upload")


def test_it_ends_when_told_to(harness: PipelineHarness) -> None:
    """A daemon that leaves does not wait for the end of a large store."""
    fill(harness)
    assert wait(reconcile(harness.store, harness.remote, harness.jobs, FORMATS, run_at_once, lambda: False)) is False
    assert harness.owed("upload") == []


def test_how_far_it_is_can_be_read(harness: PipelineHarness) -> None:
    """It has ended when all images were looked at, and not when it was told to end."""
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
    comparisons.note(harness.remote.identity, 5, 5, "ended")
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images) == ("running", 0)


def test_an_upload_that_runs_may_go_elsewhere(harness: PipelineHarness) -> None:
    """It began before the settings named another store, so this one's is owed once more."""
    fill(harness)
    harness.queue.add("upload", IMAGE, ["x30.jpg"])
    (job,) = harness.queue.claim("upload")
    look(harness)
    harness.queue.done([job])
    assert "x30.jpg" in harness.owed("upload")


def test_without_an_uploader_what_is_owed_stays_owed(make_harness: Callable[..., PipelineHarness]) -> None:
    """There may be one again."""
    harness = make_harness(remote=False)
    assert harness.remote.concurrency == 0
    (error,) = wait(harness.pipeline.run_uploads(IMAGE, [X30])).values()
    assert isinstance(error, StoreUnavailableError)


def fill(harness: PipelineHarness) -> None:
    """Put an original, its record and an output into the local store alone."""
    harness.keep()
    wait(harness.renders.one(IMAGE, parse("x30.jpg")))
    harness.queue._db.execute("DELETE FROM jobs")
    harness.queue._db.execute("DELETE FROM acknowledged")
    harness.uploader.files.clear()


@pytest.mark.parametrize("partitions", [(3, 3), (3, 3, 3), ()])
def test_everything_is_owed_that_was_never_noted(
    make_harness: Callable[..., PipelineHarness], tmp_path: Path, partitions: tuple[int, ...]
) -> None:
    """Originals and records too, with any layout; other files and folders are left alone."""
    harness = make_harness(store=LocalStore(tmp_path / "public", partitions))
    fill(harness)
    (harness.store.root / "p" / "notes.txt").write_text("mine")
    (harness.store.root / "Other" / "abc").mkdir(parents=True)
    assert look(harness) == 3
    assert sorted(harness.owed("upload")) == sorted(map(str, FILES))
    assert look(harness) == 0


def test_what_is_owed_arrives_with_its_type(harness: PipelineHarness, pipeline: Pipeline) -> None:
    """And is noted, so that the next start is quiet."""
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


def test_what_the_remote_store_has_is_not_sent_again(harness: PipelineHarness) -> None:
    """As after a move from image-server 1.x, or to a new machine."""
    fill(harness)
    harness.uploader.files = {f"{KEY}/original": b"", f"{KEY}/x30.jpg": b""}
    assert look(harness) == 1
    assert harness.owed("upload") == ["info.json"]


def test_a_store_that_is_away_delays_all_and_loses_none(harness: PipelineHarness) -> None:
    """Nobody can tell what it has."""
    fill(harness)
    harness.uploader.failure = StoreUnavailableError("no route")
    assert look(harness) == 3


def test_an_output_whose_upload_was_never_owed_is_found_by_its_render(
    harness: PipelineHarness, pipeline: Pipeline
) -> None:
    """A process that was killed between the two has left the render owed."""
    fill(harness)
    assert wait(pipeline.run_renders(IMAGE, [X30])) == {X30: None}
    assert harness.owed("upload") == ["x30.jpg"]
    assert harness.processing.total == 1


@pytest.fixture
def pipeline(harness: PipelineHarness) -> Pipeline:
    """Return the harness as a whole."""
    return harness.pipeline


class TestMissing:
    """What `process` makes is what no store has."""

    def test_each_is_looked_for_in_both_stores(self, harness: PipelineHarness) -> None:
        """What is only here is uploaded, what is only there is not made."""
        fill(harness)
        outputs = [parse("x30.jpg"), parse("x40.jpg"), parse("x50.jpg")]
        harness.uploader.files = {f"{KEY}/x40.jpg": b""}
        assert wait(harness.pipeline.missing(IMAGE, outputs)) == [parse("x50.jpg")]
        assert harness.owed("upload") == ["x30.jpg"]

    def test_without_a_remote_store_the_local_one_is_asked(self, make_harness: Callable[..., PipelineHarness]) -> None:
        """And nothing is owed."""
        harness = make_harness(remote=False)
        fill(harness)
        assert wait(harness.pipeline.missing(IMAGE, [parse("x30.jpg"), parse("x40.jpg")])) == [parse("x40.jpg")]
        assert harness.owed("upload") == []


class TestReuse:
    """`remote.reuse_outputs`: what the remote store has is not made again."""

    @pytest.fixture
    def harness(self, make_harness: Callable[..., PipelineHarness]) -> PipelineHarness:
        """Return one with it on."""
        return make_harness("remote: {reuse_outputs: true}")

    def test_an_output_comes_from_the_remote_store(self, harness: PipelineHarness) -> None:
        """Even where the original is nowhere."""
        fill(harness)
        output = harness.store.path(IMAGE, X30)
        body = output.read_bytes()
        harness.store.path(IMAGE, ORIGINAL).unlink()
        output.unlink()
        harness.uploader.files = {f"{KEY}/x30.jpg": body}
        wait(harness.renders.one(IMAGE, parse("x30.jpg")))
        assert output.read_bytes() == body
        assert harness.processing.total == 1
        assert harness.owed("upload") == []
        assert harness.temporaries == []

    @pytest.mark.parametrize("there", [{}, {f"{KEY}/x30.jpg": b"no picture"}], ids=["nothing", "no picture"])
    def test_what_is_not_there_is_made(self, harness: PipelineHarness, there: dict[str, bytes]) -> None:
        """Neither is what is there and no picture of that format."""
        fill(harness)
        harness.store.path(IMAGE, X30).unlink()
        harness.uploader.files = there
        wait(harness.renders.one(IMAGE, parse("x30.jpg")))
        assert harness.processing.total == 2

    def test_a_store_that_fails_costs_a_render(self, harness: PipelineHarness) -> None:
        """And no request."""
        fill(harness)
        harness.store.path(IMAGE, X30).unlink()
        harness.uploader.failure = StoreUnavailableError("no route")
        wait(harness.renders.one(IMAGE, parse("x30.jpg")))
        assert harness.processing.total == 2
