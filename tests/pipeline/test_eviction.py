"""The store stays below its bounds: what was not used for longest is forgotten, unless something needs it."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from imaged.core.errors import NotFoundError, StoreBoundError
from imaged.core.eviction import LONGEST_UNTOUCHED_S
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse, parse_stored
from imaged.pipeline.eviction import PERSISTS_AFTER, Eviction
from imaged.store.usage import measure
from imaged.testing.pictures import make_jpeg
from imaged.testing.waiting import wait

KIB = 1024
X30, X40, X50 = parse("x30.jpg"), parse("x40.jpg"), parse("x50.jpg")
DAY_S = 86_400.0

MakeHarness = Callable[..., PipelineHarness]


class Store:
    """The store of a harness, and what keeps it below its bounds."""

    def __init__(self, harness: PipelineHarness) -> None:
        self.harness = harness
        harness.store.size = harness.environment.counters.bound.size
        self.bound = harness.environment.counters.bound
        self.pipelines = [harness.pipeline]
        self.eviction = Eviction(
            harness.environment, lambda: self.pipelines, lambda: nullcontext(self.pipelines[0]), 12345
        )

    def put(self, file: ImageFile, days: float = 0.0, image: ImageId = IMAGE, kib: int = 40) -> Path:
        """Write a file that was last used so many days ago."""
        path = self.harness.store.path(image, file)
        with self.harness.store.changing([path]):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(kib * KIB))
        used_s = time.time() - DAY_S * days
        os.utime(path, (used_s, used_s))
        return path

    def search(self, seconds: float = 60.0) -> None:
        """Look whether something has to be forgotten, and let the search end."""
        self.eviction.check()
        self.rest(seconds)

    def rest(self, seconds: float = 1.0) -> None:
        """Let a search that has begun end."""
        for _ in range(200):
            self.harness.reactor.advance(seconds / 200)


@pytest.fixture
def make_store(make_harness: MakeHarness) -> Callable[..., Store]:
    """Return a function that makes a store of settings."""

    def make(yaml: str = "store: {maximum_bytes: 204800}", *, remote: bool = False) -> Store:
        return Store(make_harness(yaml, remote=remote))

    return make


def test_the_least_recently_used_outputs_are_forgotten(make_store: Callable[..., Store]) -> None:
    """As few of them as are too much."""
    store = make_store()
    paths = [store.put(parse(f"x{10 + days}.jpg"), days) for days in range(1, 7)]
    store.search()
    assert [path.exists() for path in paths] == [True, True, True, True, False, False]
    assert (store.bound.forgotten_files, store.bound.forgotten_bytes) == (2, 80 * KIB)
    assert store.bound.size.total_bytes is not None
    assert store.bound.size.total_bytes < 204_800 - 2 * 2048


def test_a_store_below_its_bound_forgets_nothing(make_store: Callable[..., Store]) -> None:
    """However old its outputs are."""
    store = make_store()
    path = store.put(X30, 1000)
    store.search()
    assert path.exists()


def test_without_a_bound_nothing_is_counted_or_forgotten(make_store: Callable[..., Store]) -> None:
    """The store may grow until its disk is full."""
    store = make_store("")
    store.put(X30, 1000)
    store.search()
    assert store.bound.size.total_bytes is None


def test_originals_and_records_stay(make_store: Callable[..., Store]) -> None:
    """They cannot be made again."""
    store = make_store()
    original, record = store.put(ORIGINAL, 100, kib=400), store.put(RECORD, 100)
    output = store.put(X30, 1)
    store.search()
    assert (original.exists(), record.exists(), output.exists()) == (True, True, False)


def test_a_store_that_has_nothing_to_forget_says_so(make_store: Callable[..., Store]) -> None:
    """The fault ends with the excess; searches become rare meanwhile."""
    store = make_store()
    original = store.put(ORIGINAL, 100, kib=400)
    with capturedLogs() as logs:
        for _ in range(PERSISTS_AFTER):
            assert store.bound.fault is None
            store.search()
    assert store.bound.fault is not None
    assert "nothing more to forget" in store.bound.fault
    assert [each["log_level"].name for each in logs] == ["info", "error"]
    with store.harness.store.changing([original]):
        original.unlink()
    store.put(X30, 1, kib=250)
    store.search()
    store.eviction.check()
    assert store.bound.fault is None


def test_files_that_an_operator_removes_are_counted_no_longer(make_store: Callable[..., Store]) -> None:
    """A search finds nothing, so the store is counted again soon: else it would refuse files until the next count."""
    store = make_store()
    paths = [store.put(parse(f"x{10 + number}.jpg"), kib=39) for number in range(5)]
    store.eviction.check()
    assert store.bound.is_near(), "the outputs are young, and stay"
    for path in paths:
        path.unlink()
    store.rest(30)
    store.search(30)
    assert store.bound.size.usage == measure(store.pipelines[0].store.root)
    assert store.bound.reserve(100 * KIB) is not None
    store.put(X30)
    counted = store.bound.size.usage
    store.put(X40).unlink()
    store.search(30)
    assert store.bound.size.usage != counted, "it counts no more often than before"


def test_a_young_output_stays(make_store: Callable[..., Store]) -> None:
    """A client may be about to read it."""
    store = make_store()
    young, old = store.put(X30, kib=300), store.put(X40, 1)
    store.search()
    assert (young.exists(), old.exists()) == (True, False)


def test_an_output_with_a_queued_job_stays(make_store: Callable[..., Store]) -> None:
    """A client waits for the render, or the remote store for the upload."""
    store = make_store()
    paths = [store.put(output, 9) for output in (X30, X40)]
    others = [store.put(parse(f"x{number}.jpg"), 1) for number in range(100, 104)]
    store.harness.queue.add("render", IMAGE, [X30])
    store.harness.queue.add("upload", IMAGE, [X40])
    store.search()
    assert [path.exists() for path in paths] == [True, True]
    assert sum(path.exists() for path in others) == 2


def test_an_output_that_the_remote_store_misses_stays(make_store: Callable[..., Store]) -> None:
    """Until its upload is acknowledged by the store that is set."""
    store = make_store(remote=True)
    missing, elsewhere, stored = store.put(X30, 9), store.put(X40, 9), store.put(X50, 1, kib=150)
    queue = store.harness.queue
    queue.uploaded.add(store.harness.remote.identity, IMAGE, [X50])
    queue.uploaded.add("another store", IMAGE, [X40])
    store.search()
    assert (missing.exists(), elsewhere.exists(), stored.exists()) == (True, True, False)


def test_an_output_that_is_being_rendered_again_stays(make_store: Callable[..., Store]) -> None:
    """The clients that wait for it get it."""
    store = make_store()
    harness = store.harness
    harness.keep()
    harness.threads.held = True
    rendering = Deferred.fromCoroutine(harness.renders.one(IMAGE, X30))
    path, other = store.put(X30, 9, kib=150), store.put(X40, 1, kib=150)
    store.search(1)
    assert (path.exists(), other.exists()) == (True, False)
    rendering.addErrback(lambda _: None)
    rendering.cancel()


def test_old_versions_of_a_preset_go_first(make_store: Callable[..., Store]) -> None:
    """No client gets them any more."""
    store = make_store("{store: {maximum_bytes: 204800}, images: {presets: {hero: {size: w300}}}}")
    current = store.harness.pipeline.settings.policy("p").current(parse("hero.jpg"))
    kept, removed = store.put(current, 9), store.put(parse_stored("gone~01234567.jpg"), 1)
    old, plain = store.put(parse_stored("hero~01234567.jpg"), 1), store.put(X30, 5, kib=120)
    store.search()
    assert [path.exists() for path in (kept, plain)] == [True, True]
    assert not (old.exists() and removed.exists())


def test_other_files_of_the_store_are_left_alone(make_store: Callable[..., Store]) -> None:
    """Unfinished files, and those of other programs."""
    store = make_store()
    foreign = [store.harness.store.root / name for name in (".incoming/x", "p/notes.txt", "p/f84/x30.jpg")]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(200 * KIB))
        os.utime(path, (0, 0))
    store.search()
    assert all(path.exists() for path in foreign)


def test_free_space_bounds_the_store_as_well(make_store: Callable[..., Store]) -> None:
    """More than the disk has is wanted, so everything that may go goes, once."""
    store = make_store(f"store: {{keep_free_bytes: {2**60}}}")
    paths = [store.put(parse(f"x{number}.jpg"), number) for number in range(1, 7)]
    for _ in range(PERSISTS_AFTER):
        store.search()
    assert not any(path.exists() for path in paths)
    assert store.bound.fault is not None


def test_a_used_output_gets_a_new_last_use(make_store: Callable[..., Store]) -> None:
    """Its modification time, and so its ETag, stay."""
    store = make_store()
    path = store.put(X30, 2)
    before = path.stat()
    store.search()
    assert wait(store.harness.pipeline.output(IMAGE, X30))[1] == "hit"
    after = path.stat()
    assert (after.st_mtime_ns, after.st_atime > before.st_atime + DAY_S) == (before.st_mtime_ns, True)


def test_without_a_bound_no_last_use_is_written(make_store: Callable[..., Store]) -> None:
    """Readers cost no writes."""
    unbounded, bounded = make_store(""), make_store()
    for store in (unbounded, bounded):
        store.search()
    assert unbounded.harness.store.touch_after_s == math.inf
    assert bounded.harness.store.touch_after_s == LONGEST_UNTOUCHED_S


def test_an_output_beyond_the_bound_is_sent_and_not_stored(make_store: Callable[..., Store]) -> None:
    """It counts, and the next request renders it again."""
    store = make_store("store: {maximum_bytes: 1024}")
    store.harness.keep()
    store.search()
    for _ in range(2):
        body, outcome = wait(store.harness.pipeline.output(IMAGE, X30))
        assert (body.size_bytes > 0, outcome) == (True, "rendered")
    assert store.bound.refused_saves == 2
    assert not store.harness.store.has(IMAGE, X30)


def test_a_save_that_fills_the_store_begins_a_search(make_store: Callable[..., Store]) -> None:
    """It does not wait for the next look at the bounds."""
    store = make_store()
    image = store.harness.keep()
    store.search()
    old = [store.put(parse(f"x{number}.jpg"), number, image, kib=60) for number in range(100, 103)]
    assert wait(store.harness.pipeline.output(image, X30))[1] == "rendered"
    store.rest()
    assert not all(path.exists() for path in old)


def test_a_search_for_a_refused_file_does_not_rest(make_store: Callable[..., Store]) -> None:
    """Each further file would be refused meanwhile, and rendered again. Other searches rest between two samples."""
    store = make_store("store: {maximum_bytes: 5242880}")
    images = [ImageId("p", ImageHash(hashlib.md5(bytes([number, 0])).hexdigest())) for number in range(250)]
    for image in images:
        store.put(ORIGINAL, 99, image, kib=0)
        store.put(RECORD, 99, image, kib=0)
    for image in images[::3]:
        store.put(X30, 1, image, kib=64)
    for _ in range(20):
        store.search()
    assert store.bound.fault is None
    assert store.bound.reserve(800 * KIB) is None
    store.eviction.check()
    assert store.bound.reserve(800 * KIB) is not None


def test_at_the_bound_no_output_is_copied_from_the_remote_store(make_store: Callable[..., Store]) -> None:
    """It would have to be stored; one that is rendered instead need not be."""
    store = make_store("{store: {maximum_bytes: 1024}, remote: {reuse_outputs: true}}", remote=True)
    image = store.harness.keep()
    store.search()
    store.harness.uploader.files[store.harness.remote.key(image, X30)] = make_jpeg()
    assert wait(store.harness.pipeline.output(image, X30))[1] == "rendered"
    assert not store.harness.store.has(image, X30)


def test_clients_get_each_of_several_outputs_beyond_the_bound(make_store: Callable[..., Store]) -> None:
    """A queued render is tried again later."""
    store = make_store("store: {maximum_bytes: 1024}")
    store.harness.keep()
    store.search()
    results, _ = wait(store.harness.renders.together(IMAGE, [X30, X40, X50]))
    assert all(hasattr(each, "body") for each in results.values())
    errors = wait(store.harness.pipeline.run_renders(IMAGE, [X30]))
    assert isinstance(errors[X30], StoreBoundError)
    assert StoreBoundError.transient


def test_a_bound_that_comes_back_needs_a_new_count(make_store: Callable[..., Store]) -> None:
    """Meanwhile, writes may not have counted."""
    store = make_store()
    store.put(X30)
    store.search()
    counted = store.bound.size.total_bytes
    settings = store.harness.pipeline.settings
    for maximum_bytes, total_bytes in ((0, None), (204_800, counted)):
        section = settings.store.model_copy(update={"maximum_bytes": maximum_bytes})
        pipeline = replace(store.harness.pipeline, settings=settings.model_copy(update={"store": section}))
        store.pipelines[:] = [pipeline]
        store.search()
        assert store.bound.size.total_bytes == total_bytes


def test_a_moved_store_is_counted_again(make_store: Callable[..., Store], tmp_path: Path) -> None:
    """The count is that of the store that the settings name."""
    store = make_store()
    store.put(X30)
    store.search()
    before = store.bound.size.total_bytes
    assert before
    store.harness.store.root = tmp_path / "elsewhere"
    store.eviction.check()
    assert store.bound.size.total_bytes == 0


class TestCachedOriginals:
    """Originals that the remote store has may be forgotten, and come back."""

    YAML = "store: {maximum_bytes: 204800, originals: cached}"

    def forget_original(self, store: Store) -> ImageId:
        """Post a picture, and let its original be forgotten."""
        image = store.harness.keep()
        os.utime(store.harness.store.path(image, ORIGINAL), (1, 1))
        store.put(X50, kib=250)
        store.search()
        assert not store.harness.store.has(image, ORIGINAL)
        return image

    def test_a_stored_original_is_forgotten_and_restored(self, make_store: Callable[..., Store]) -> None:
        """Its record stays, and answers without a download."""
        store = make_store(self.YAML, remote=True)
        image = self.forget_original(store)
        downloads = store.harness.uploader.files.copy()
        store.harness.uploader.files.clear()
        assert wait(store.harness.originals.info(image)).size_bytes == len(PICTURE)
        store.harness.uploader.files.update(downloads)
        opened = wait(store.harness.originals.open(image))
        assert opened is not None
        assert opened.size_bytes == len(PICTURE)
        assert store.harness.store.has(image, ORIGINAL)

    def test_a_record_goes_after_its_original(self, make_store: Callable[..., Store]) -> None:
        """So that a store of millions of pictures that were seen once does not fill with records."""
        store = make_store(self.YAML, remote=True)
        image = self.forget_original(store)
        os.utime(store.harness.store.path(image, RECORD), (1, 1))
        store.harness.reactor.advance(3600)
        store.search()
        assert not store.harness.store.has(image, RECORD)
        assert wait(store.harness.originals.info(image)).size_bytes == len(PICTURE)

    def test_a_record_stays_with_its_original(self, make_store: Callable[..., Store]) -> None:
        """However long ago it was read: it is needed to check the original."""
        store = make_store(self.YAML, remote=True)
        image = store.harness.keep()
        os.utime(store.harness.store.path(image, RECORD), (1, 1))
        store.put(X50, kib=250)
        store.search()
        assert store.harness.store.has(image, RECORD)

    def test_an_original_stays_that_is_not_stored_with_its_record(self, make_store: Callable[..., Store]) -> None:
        """It may not come back."""
        store = make_store(self.YAML, remote=True)
        other = ImageId("p", ImageHash("0" * 32))
        originals = [store.put(ORIGINAL, 9, image) for image in (IMAGE, other)]
        store.harness.queue.uploaded.add(store.harness.remote.identity, IMAGE, [ORIGINAL])
        store.put(X50, kib=250)
        store.search()
        assert [path.exists() for path in originals] == [True, True]

    def test_an_original_whose_record_has_to_be_uploaded_stays(self, make_store: Callable[..., Store]) -> None:
        """Together they are of use."""
        store = make_store(self.YAML, remote=True)
        image = store.harness.keep()
        os.utime(store.harness.store.path(image, ORIGINAL), (1, 1))
        store.harness.queue.add("upload", image, [RECORD])
        store.put(X50, kib=250)
        store.search()
        assert store.harness.store.has(image, ORIGINAL)

    def test_an_original_that_is_being_rendered_stays(self, make_store: Callable[..., Store]) -> None:
        """Its render may wait for long."""
        store = make_store(self.YAML, remote=True)
        harness = store.harness
        image = harness.keep()
        harness.threads.held = True
        rendering = Deferred.fromCoroutine(harness.renders.one(image, X30))
        os.utime(harness.store.path(image, ORIGINAL), (1, 1))
        store.put(X50, kib=250)
        store.search(5)
        assert harness.store.has(image, ORIGINAL)
        rendering.addErrback(lambda _: None)
        rendering.cancel()

    def test_without_a_remote_store_it_stays(self, make_store: Callable[..., Store]) -> None:
        """As after a reload that has taken the uploader away, before its faults were checked."""
        store = make_store(self.YAML)
        original = store.put(ORIGINAL, 9, kib=250)
        store.search()
        assert original.exists()


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_render_restores_an_original_that_another_daemon_forgets(
    harness: PipelineHarness,
    is_stored: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Two daemons with one store do not know of each other's renders. An original that no store has is not found."""
    image = harness.keep()
    harness.threads.held = True
    results: list[Any] = []
    Deferred.fromCoroutine(harness.renders.one(image, X30)).addBoth(results.append)
    harness.store.path(image, ORIGINAL).unlink()
    if not is_stored:
        harness.uploader.files.clear()
    harness.threads.held = False
    harness.threads.step()
    (result,) = results
    if is_stored:
        assert result[1] == "rendered"
    else:
        assert result.check(NotFoundError)


def test_few_outputs_among_many_originals_go_in_order(make_store: Callable[..., Store]) -> None:
    """Originals have to stay, so a sample has few files that may go: the oldest of several samples goes."""
    store = make_store("store: {maximum_bytes: 5242880}")
    images = [ImageId("p", ImageHash(hashlib.md5(bytes([number, 0])).hexdigest())) for number in range(250)]
    for image in images:
        store.put(ORIGINAL, 99, image, kib=0)
        store.put(RECORD, 99, image, kib=0)
    outputs = [store.put(X30, number + 1, image, kib=100) for number, image in enumerate(images[::8])]
    for _ in range(20):
        store.search()
    left = [path.exists() for path in outputs]
    assert store.bound.size.total_bytes is not None
    assert store.bound.size.total_bytes < 5_242_880
    assert 4 < sum(left) < len(left) - 4
    assert sum(left[sum(left) :]) <= sum(left) // 3, "files that are older than others that went"
