"""Purges of caches: at once for the client that waits, and by the queue a minute later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pipeline_harness import PipelineHarness
from twisted.logger import capturedLogs

from imaged.api import StoreError
from imaged.core.errors import GoneError, ImagedError
from imaged.core.files import ORIGINAL, RECORD, ImageFile, parse_file
from imaged.core.hashes import ImageId
from imaged.core.outputs import parse
from imaged.pipeline.purges import AGAIN_S
from imaged.pipeline.saves import Save
from imaged.store.disk import FileBody
from imaged.store.tombstones import Tombstone
from imaged.testing.fakes import MemoryPurger
from imaged.testing.waiting import wait

YAML = """
images:
  outputs: [w5.jpg]
  presets: {hero: {size: w8}}
  allowed_outputs: ["w{6,7}.png"]
  extensions: [jpg, png]
"""
LISTED = {
    "original", "info.json", "srcset", "w5.jpg", "w5.auto", "w6.png", "w6.auto", "w7.png", "w7.auto",
    "hero.jpg", "hero.png", "hero.auto",
}  # fmt: skip
"""The names that the settings tell of each picture."""


@pytest.fixture
def purgers() -> list[MemoryPurger]:
    """Return two purgers."""
    return [MemoryPurger(), MemoryPurger()]


@pytest.fixture
def harness(make_harness: Callable[..., PipelineHarness], purgers: list[MemoryPurger]) -> PipelineHarness:
    """Return a pipeline with them, and without a remote store."""
    return make_harness(YAML, remote=False, purgers=purgers)


def names(image: ImageId, paths: tuple[str, ...]) -> set[str]:
    """Return the names of the paths, of which each is there in two spellings."""
    digits = str(image.hash)
    homes = (f"/p/{digits[:3]}/{digits[3:6]}/{digits[6:]}/", f"/p/{digits}/")
    found = [{path.removeprefix(home) for path in paths if path.startswith(home)} for home in homes]
    assert found[0] == found[1]
    assert len(paths) == 2 * len(found[0])
    return found[0]


def render(harness: PipelineHarness, image: ImageId, *outputs: str) -> None:
    """Make outputs, and store them."""
    for name in outputs:
        wait(harness.pipeline.output(image, harness.pipeline.settings.policy("p").current(parse(name))))
    wait(harness.tasks.drained())


def test_an_erased_picture_is_purged_by_all_its_names(harness: PipelineHarness, purgers: list[MemoryPurger]) -> None:
    """Each purger gets the tag, and the paths of what was stored and of what the settings list."""
    image = harness.keep()
    render(harness, image, "x9.jpg", "hero.jpg", "w6.png")
    with capturedLogs() as logged:
        assert wait(harness.pipeline.eraser.erase(image)) is True
    for purger in purgers:
        ((tag, paths),) = purger.purges
        assert tag == image.cache_tag
        assert names(image, paths) == LISTED | {"x9.jpg", "x9.auto"}
    assert [each["purgers"] for each in logged if "purgers" in each] == ["memory0, memory1"]


def test_the_queue_purges_once_more(harness: PipelineHarness, purgers: list[MemoryPurger]) -> None:
    """An answer that was on its way goes a minute later. The job is there before a file goes, and purges the same."""
    image = harness.keep()
    render(harness, image, "x9.jpg")
    wait(harness.pipeline.eraser.erase(image))
    assert harness.queued("purge") == ["original", "info.json", "x9.jpg"]
    assert harness.queue.claim("purge") == []
    harness.reactor.advance(AGAIN_S)
    files = [job.file for job in harness.queue.claim("purge")]
    assert wait(harness.pipeline.purges.run_jobs(image, files)) == dict.fromkeys(files)
    assert purgers[0].purges[1] == purgers[0].purges[0]


def test_a_purger_that_fails_leaves_the_rest_to_the_queue(
    harness: PipelineHarness, purgers: list[MemoryPurger]
) -> None:
    """The files are gone, the other caches are purged, and the client learns that a part is pending."""
    image = harness.keep()
    purgers[0].failure = StoreError("no answer")
    with capturedLogs() as logged:
        assert wait(harness.pipeline.eraser.erase(image)) is False
    assert harness.store.open(image, ORIGINAL) is None
    assert len(purgers[1].purges) == 1
    assert [str(each["error"]) for each in logged if "error" in each] == ["no answer"]
    results = wait(harness.pipeline.purges.run_jobs(image, [ORIGINAL, RECORD]))
    (error,) = set(results.values())
    assert isinstance(error, StoreError)
    assert error.transient
    purgers[0].failure = None
    assert wait(harness.pipeline.purges.run_jobs(image, [ORIGINAL, RECORD])) == {ORIGINAL: None, RECORD: None}


def test_a_broken_plugin_does_not_keep_a_picture(harness: PipelineHarness, purgers: list[MemoryPurger]) -> None:
    """An error that the contract excludes ends neither the erasure nor the other purgers."""
    image = harness.keep()
    purgers[0].failure = ValueError("x")
    with capturedLogs():
        assert wait(harness.pipeline.eraser.erase(image)) is False
    assert harness.store.open(image, ORIGINAL) is None
    assert len(purgers[1].purges) == 1
    results = wait(harness.pipeline.purges.run_jobs(image, [ORIGINAL]))
    assert isinstance(results[ORIGINAL], ImagedError)


def test_forgotten_outputs_are_purged(harness: PipelineHarness, purgers: list[MemoryPurger]) -> None:
    """The paths are those of the outputs, and of what the settings list; the picture stays."""
    image = harness.keep()
    render(harness, image, "x9.jpg")
    wait(harness.pipeline.eraser.forget(image))
    ((_, paths),) = purgers[0].purges
    assert names(image, paths) == LISTED - {"original", "info.json"} | {"x9.jpg", "x9.auto"}
    assert harness.queued("purge") == ["x9.jpg"]
    assert harness.store.open(image, ORIGINAL) is not None


def test_remote_files_are_known_by_the_queue(
    make_harness: Callable[..., PipelineHarness], purgers: list[MemoryPurger]
) -> None:
    """Outputs that the local store has lost are purged, too, where they were uploaded."""
    harness = make_harness(purgers=purgers)
    image = harness.keep()
    wait(harness.jobs.mark_stored("memory", image, [parse_file("x7.jpg")]))
    assert set(map(str, wait(harness.pipeline.purges.known_files(image)))) == {"original", "info.json", "x7.jpg"}


def test_an_output_from_memory_is_purged_later(harness: PipelineHarness) -> None:
    """Clients may have got an output whose save finds the picture erased: its name is known by that save alone."""
    image, output = harness.keep(), parse("x9.jpg")
    saver = harness.renders.writer.saver
    save = Save(image, output, FileBody(b"picture", 1), 0.0)
    harness.store.tombstones.add(Tombstone(image, 1))
    saver.saves.add(save)
    saver.begin(save)
    wait(harness.tasks.drained())
    assert isinstance(save.error, GoneError)
    assert harness.queued("purge") == ["x9.jpg"]


def test_an_output_that_was_made_meanwhile_is_purged(
    harness: PipelineHarness, purgers: list[MemoryPurger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored between the first look and the tombstone is among the files that the erasure removes."""
    image = harness.keep()
    known = harness.pipeline.purges.known_files

    async def known_before(image: ImageId) -> list[ImageFile]:
        found = await known(image)
        harness.store.path(image, parse("x9.jpg")).write_bytes(b"late")
        return found

    monkeypatch.setattr(harness.pipeline.purges, "known_files", known_before)
    wait(harness.pipeline.eraser.erase(image))
    assert "x9.jpg" in names(image, purgers[0].purges[0][1])
    assert harness.queued("purge") == ["original", "info.json", "x9.jpg"]


def test_without_purgers_nothing_is_queued(make_harness: Callable[..., PipelineHarness]) -> None:
    """Where there is no cache, an erasure has no job for one; a job of earlier settings ends."""
    harness = make_harness(remote=False)
    image = harness.keep()
    assert wait(harness.pipeline.eraser.erase(image)) is True
    assert harness.queued("purge") == []
    assert wait(harness.pipeline.purges.run_jobs(image, [ORIGINAL])) == {ORIGINAL: None}
