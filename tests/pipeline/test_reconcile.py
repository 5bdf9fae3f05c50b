"""What lies in the local store and never got to the remote one is found, and nothing else is sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kitchen import IMAGE, Kitchen

from imaged.core.errors import StoreUnavailableError
from imaged.core.outputs import parse
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.reconcile import reconcile
from imaged.testing.fakes import run_at_once
from imaged.testing.waiting import wait

NAMES = ["original", "info.json", "x30.jpg"]
KEY = f"p/{IMAGE.hash.partition([3, 3])}"


def look(kitchen: Kitchen) -> int:
    """Compare the stores; return how many uploads are owed that were not before."""
    before = len(kitchen.owed("upload"))
    assert wait(reconcile(kitchen.store, kitchen.remote, kitchen.promises, run_at_once, lambda: True)) is True
    return len(kitchen.owed("upload")) - before


def test_it_ends_when_told_to(kitchen: Kitchen) -> None:
    """A daemon that leaves does not wait for the end of a large store."""
    fill(kitchen)
    assert wait(reconcile(kitchen.store, kitchen.remote, kitchen.promises, run_at_once, lambda: False)) is False
    assert kitchen.owed("upload") == []


def test_how_far_it_is_can_be_read(kitchen: Kitchen) -> None:
    """It has ended when all images were looked at, and not when it was told to end."""
    fill(kitchen)
    comparisons = kitchen.queue.comparisons
    comparisons.begin(kitchen.remote.identity)
    wait(reconcile(kitchen.store, kitchen.remote, kitchen.promises, run_at_once, lambda: False))
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images, told.missing) == ("running", 0, 0)
    look(kitchen)
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images, told.missing) == ("ended", 1, 3)
    comparisons.begin("another store")
    comparisons.note(kitchen.remote.identity, 5, 5, "ended")
    told = comparisons.last()
    assert told is not None
    assert (told.state, told.images) == ("running", 0)


def test_an_upload_that_runs_may_go_elsewhere(kitchen: Kitchen) -> None:
    """It began before the settings named another store, so this one's is owed once more."""
    fill(kitchen)
    kitchen.queue.add("upload", IMAGE, ["x30.jpg"])
    (job,) = kitchen.queue.claim("upload")
    look(kitchen)
    kitchen.queue.done([job])
    assert "x30.jpg" in kitchen.owed("upload")


def test_without_an_uploader_what_is_owed_stays_owed(make_kitchen: Callable[..., Kitchen]) -> None:
    """There may be one again."""
    kitchen = make_kitchen(remote=False)
    assert kitchen.remote.lanes == 0
    (error,) = wait(kitchen.pipeline.perform_uploads(IMAGE, ["x30.jpg"])).values()
    assert isinstance(error, StoreUnavailableError)


def fill(kitchen: Kitchen) -> None:
    """Put an original, its record and an output into the local store alone."""
    kitchen.keep()
    wait(kitchen.produce.one(IMAGE, parse("x30.jpg")))
    kitchen.queue._db.execute("DELETE FROM jobs")
    kitchen.queue._db.execute("DELETE FROM acknowledged")
    kitchen.uploader.files.clear()


@pytest.mark.parametrize("partitions", [(3, 3), (3, 3, 3), ()])
def test_everything_is_owed_that_was_never_noted(kitchen: Kitchen, partitions: tuple[int, ...]) -> None:
    """Originals and records too, whatever the layout; what is not ours is left alone."""
    kitchen.store.partitions = partitions
    fill(kitchen)
    (kitchen.store.root / "p" / "notes.txt").write_text("mine")
    (kitchen.store.root / "Other" / "abc").mkdir(parents=True)
    assert look(kitchen) == 3
    assert sorted(kitchen.owed("upload")) == sorted(NAMES)
    assert look(kitchen) == 0


def test_what_is_owed_arrives_with_its_type(kitchen: Kitchen, pipeline: Pipeline) -> None:
    """And is noted, so that the next start is quiet."""
    fill(kitchen)
    look(kitchen)
    assert wait(pipeline.perform_uploads(IMAGE, NAMES)) == dict.fromkeys(NAMES)
    kitchen.queue._db.execute("DELETE FROM jobs")
    assert {key.removeprefix(f"{KEY}/"): kind for key, kind in kitchen.uploader.content_types.items()} == {
        "original": "image/jpeg",
        "info.json": "application/json",
        "x30.jpg": "image/jpeg",
    }
    assert look(kitchen) == 0


def test_what_the_remote_store_has_is_not_sent_again(kitchen: Kitchen) -> None:
    """As after a move from image-server 1.x, or to a new machine."""
    fill(kitchen)
    kitchen.uploader.files = {f"{KEY}/original": b"", f"{KEY}/x30.jpg": b""}
    assert look(kitchen) == 1
    assert kitchen.owed("upload") == ["info.json"]


def test_a_store_that_is_away_delays_all_and_loses_none(kitchen: Kitchen) -> None:
    """Nobody can tell what it has."""
    fill(kitchen)
    kitchen.uploader.failure = StoreUnavailableError("no route")
    assert look(kitchen) == 3


def test_an_output_whose_upload_was_never_owed_is_found_by_its_render(kitchen: Kitchen, pipeline: Pipeline) -> None:
    """A process that was killed between the two has left the render owed."""
    fill(kitchen)
    assert wait(pipeline.perform_renders(IMAGE, ["x30.jpg"])) == {"x30.jpg": None}
    assert kitchen.owed("upload") == ["x30.jpg"]
    assert kitchen.renders.total == 1


@pytest.fixture
def pipeline(kitchen: Kitchen) -> Pipeline:
    """Return the kitchen as a whole."""
    return kitchen.pipeline


class TestMissing:
    """What `process` makes is what no store has."""

    def test_each_is_looked_for_in_both_stores(self, kitchen: Kitchen) -> None:
        """What is only here is uploaded, what is only there is not made."""
        fill(kitchen)
        outputs = [parse("x30.jpg"), parse("x40.jpg"), parse("x50.jpg")]
        kitchen.uploader.files = {f"{KEY}/x40.jpg": b""}
        assert wait(kitchen.pipeline.missing(IMAGE, outputs)) == [parse("x50.jpg")]
        assert kitchen.owed("upload") == ["x30.jpg"]

    def test_without_a_remote_store_the_local_one_is_asked(self, make_kitchen: Callable[..., Kitchen]) -> None:
        """And nothing is owed."""
        kitchen = make_kitchen(remote=False)
        fill(kitchen)
        assert wait(kitchen.pipeline.missing(IMAGE, [parse("x30.jpg"), parse("x40.jpg")])) == [parse("x40.jpg")]
        assert kitchen.owed("upload") == []


class TestReuse:
    """`remote.reuse_outputs`: what the remote store has is not made again."""

    @pytest.fixture
    def kitchen(self, make_kitchen: Callable[..., Kitchen]) -> Kitchen:
        """Return one with it on."""
        return make_kitchen("remote: {reuse_outputs: true}")

    def test_an_output_comes_from_the_remote_store(self, kitchen: Kitchen) -> None:
        """Even where the original is nowhere."""
        fill(kitchen)
        output = kitchen.store.path(IMAGE, "x30.jpg")
        body = output.read_bytes()
        kitchen.store.path(IMAGE, "original").unlink()
        output.unlink()
        kitchen.uploader.files = {f"{KEY}/x30.jpg": body}
        wait(kitchen.produce.one(IMAGE, parse("x30.jpg")))
        assert output.read_bytes() == body
        assert kitchen.renders.total == 1
        assert kitchen.owed("upload") == []
        assert kitchen.temporaries == []

    @pytest.mark.parametrize("there", [{}, {f"{KEY}/x30.jpg": b"no picture"}], ids=["nothing", "no picture"])
    def test_what_is_not_there_is_made(self, kitchen: Kitchen, there: dict[str, bytes]) -> None:
        """Neither is what is there and no picture of that format."""
        fill(kitchen)
        kitchen.store.path(IMAGE, "x30.jpg").unlink()
        kitchen.uploader.files = there
        wait(kitchen.produce.one(IMAGE, parse("x30.jpg")))
        assert kitchen.renders.total == 2

    def test_a_store_that_fails_costs_a_render(self, kitchen: Kitchen) -> None:
        """And no request."""
        fill(kitchen)
        kitchen.store.path(IMAGE, "x30.jpg").unlink()
        kitchen.uploader.failure = StoreUnavailableError("no route")
        wait(kitchen.produce.one(IMAGE, parse("x30.jpg")))
        assert kitchen.renders.total == 2
