"""One item of a batch, on threads that run at once and a remote store in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred

from imaged.batch.items import Item, read_line, read_path
from imaged.batch.output_maker import ItemResult, OutputMaker
from imaged.batch.process import NoQueue
from imaged.batch.scratch import open_scratch
from imaged.core.errors import (
    CorruptOriginalError,
    GoneError,
    ImagedError,
    NotAPictureError,
    NotFoundError,
    PolicyError,
    StoreError,
    StoreUnavailableError,
)
from imaged.core.files import ORIGINAL, RECORD, parse_file
from imaged.core.outputs import parse
from imaged.store.local import LocalStore
from imaged.store.tombstones import Tombstone
from imaged.store.usage import measure
from imaged.testing.fakes import SamplingStills, run_at_once
from imaged.testing.pictures import make_jpeg, make_png
from imaged.testing.waiting import wait

FOLDER = f"p/{IMAGE.hash.partition((3, 3))}"
URL = "https://example.com/a.jpg"
HASH = str(IMAGE.hash)


class MakerHarness:
    """A pipeline with a batch's work; `local` is the store of a daemon beside the scratch store."""

    def __init__(self, folder: Path, names: list[str], yaml: str = "", *, remote: bool = True, **how: Any) -> None:
        self.local = LocalStore(folder / "public", (3, 3))
        store = open_scratch(self.local.root, (3, 3)) if remote else self.local
        self.harness = PipelineHarness(folder, yaml, remote=remote, store=store, jobs=NoQueue(), **how)
        self.store = store
        self.maker = OutputMaker(self.harness.pipeline, self.local, [parse(name) for name in names], run_at_once)

    def make(self, item: Item) -> tuple[str, int, int, int, int]:
        """Make the outputs of an item, and check that no file of it is left in the scratch store."""
        try:
            done = wait(self.maker.make(item))
        finally:
            if self.store is not self.local:
                assert measure(self.store.root).files == 0
        return str(done.image), done.width_px, done.height_px, done.made, done.there

    @property
    def renders(self) -> list[str]:
        """The rendered outputs."""
        return [str(variant.output) for job in self.harness.processor.jobs for variant in job.variants]

    @property
    def files(self) -> dict[str, bytes]:
        """The files in the remote store."""
        return self.harness.uploader.files


@pytest.fixture
def make_harness(tmp_path: Path) -> Iterator[Callable[..., MakerHarness]]:
    """Return a function that makes a harness, once in a test."""
    made: list[MakerHarness] = []

    def make(*names: str, **how: Any) -> MakerHarness:
        made.append(MakerHarness(tmp_path, list(names), **how))
        return made[-1]

    yield make
    for harness in made:
        harness.store.close()
        harness.harness.queue.close()


def picture(folder: Path, body: bytes = PICTURE) -> Item:
    """Write a picture and return its item."""
    path = folder / "picture"
    path.write_bytes(body)
    return read_path(str(path), "p")


def test_a_picture_is_made_and_uploaded(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """Outputs, original and record are uploaded under the keys of a daemon; a second run uploads nothing."""
    harness = make_harness("x4.png", "x5.jpg")
    assert harness.make(picture(tmp_path)) == (str(IMAGE), 48, 32, 2, 0)
    assert set(harness.files) == {f"{FOLDER}/{name}" for name in ("original", "info.json", "x4.png", "x5.jpg")}
    assert harness.files[f"{FOLDER}/original"] == PICTURE
    assert harness.harness.uploader.content_types[f"{FOLDER}/x5.jpg"] == "image/jpeg"
    assert harness.harness.uploader.content_types[f"{FOLDER}/original"] == "image/jpeg"
    assert harness.make(picture(tmp_path)) == (str(IMAGE), 48, 32, 0, 2)
    assert len(harness.renders) == 2
    assert (tmp_path / "picture").read_bytes() == PICTURE
    assert not list(harness.local.walk())


def test_existing_outputs_are_not_made(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """Existing outputs are not rendered, and neither they nor the original are uploaded again."""
    harness = make_harness("x4.png", "x5.png")
    harness.make(picture(tmp_path))
    harness.files[f"{FOLDER}/x4.png"] = harness.files[f"{FOLDER}/info.json"] = b"as it was"
    del harness.files[f"{FOLDER}/x5.png"]
    assert harness.make(read_line(HASH, "p"))[3:] == (1, 1)
    assert harness.files[f"{FOLDER}/x4.png"] == harness.files[f"{FOLDER}/info.json"] == b"as it was"
    assert harness.renders == ["x4.png", "x5.png", "x5.png"]


@pytest.mark.parametrize("name", ["original", "info.json"])
def test_a_missing_original_or_record_is_added(
    tmp_path: Path, make_harness: Callable[..., MakerHarness], name: str
) -> None:
    """A missing original or record is uploaded, also where all outputs exist."""
    harness = make_harness("x4.png")
    harness.make(picture(tmp_path))
    before = dict(harness.files)
    del harness.files[f"{FOLDER}/{name}"]
    assert harness.make(picture(tmp_path)) == (str(IMAGE), 48, 32, 0, 1)
    assert harness.files == before
    assert len(harness.renders) == 1


def test_a_record_that_cannot_be_read(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """An unsound record is written again from the original."""
    harness = make_harness("x4.png")
    harness.make(picture(tmp_path))
    harness.files[f"{FOLDER}/info.json"] = b"{}"
    assert harness.make(read_line(HASH, "p")) == (str(IMAGE), 48, 32, 0, 1)
    assert json.loads(harness.files[f"{FOLDER}/info.json"])["width"] == 48


def test_size_without_the_original(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """Where no file is missing, the record gives the size."""
    harness = make_harness("x4.png")
    harness.make(picture(tmp_path))
    harness.files[f"{FOLDER}/original"] = b"not to be read"
    assert harness.make(read_line(HASH, "p")) == (str(IMAGE), 48, 32, 0, 1)


def test_a_local_original_is_used(make_harness: Callable[..., MakerHarness], tmp_path: Path) -> None:
    """The original of a daemon's store is used and stays unchanged."""
    harness = make_harness("x4.png")
    path = harness.local.path(IMAGE, ORIGINAL)
    path.parent.mkdir(parents=True)
    path.write_bytes(PICTURE)
    assert harness.make(read_line(HASH, "p"))[3] == 1
    assert [path.name for path in path.parent.iterdir()] == ["original"]
    path.write_bytes(make_png())
    harness.files.clear()
    with pytest.raises(CorruptOriginalError, match="does not match the hash"):
        harness.make(read_line(HASH, "p"))
    assert harness.files == {}
    assert tmp_path


def test_an_unknown_hash(make_harness: Callable[..., MakerHarness]) -> None:
    """An unknown hash fails, and the error names it."""
    with pytest.raises(NotFoundError, match=HASH):
        make_harness("x4.png").make(read_line(HASH, "p"))


def test_a_url_is_fetched(make_harness: Callable[..., MakerHarness]) -> None:
    """A URL is fetched, with a hash only when no store has the original."""
    harness = make_harness("x4.png")
    assert harness.make(read_line(f"{HASH} {URL}", "p"))[3:] == (1, 0)
    assert harness.make(read_line(f"{HASH} {URL}", "p"))[3:] == (0, 1)
    del harness.files[f"{FOLDER}/x4.png"]
    assert harness.make(read_line(f"{HASH} {URL}", "p"))[3:] == (1, 0)
    assert harness.harness.sources.urls == [URL]
    assert harness.make(read_line(URL, "p")) == (str(IMAGE), 48, 32, 0, 1)
    assert harness.harness.sources.urls == [URL, URL]


def test_bytes_that_are_not_those(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """A URL or file whose bytes have another hash fails, and nothing is kept."""
    harness = make_harness("x4.png")
    other = hashlib.md5(b"other").hexdigest()
    with pytest.raises(NotAPictureError, match="does not match the hash"):
        harness.make(read_line(f"{other} {URL}", "p"))
    path = tmp_path / "p" / other / "original"
    path.parent.mkdir(parents=True)
    path.write_bytes(PICTURE)
    with pytest.raises(CorruptOriginalError, match="does not match the hash"):
        harness.make(read_path(str(path), "q"))
    assert harness.files == {}


def test_no_picture(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """A file that is no picture fails, and nothing is uploaded."""
    harness = make_harness("x4.png")
    with pytest.raises(NotAPictureError):
        harness.make(picture(tmp_path, b"text"))
    with pytest.raises(NotFoundError, match="cannot be read"):
        harness.make(read_path(str(tmp_path / "missing"), "p"))
    assert harness.files == {}


def test_a_store_that_is_away(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """While the store is away, the item fails and can be done later."""
    harness = make_harness("x4.png")
    harness.harness.uploader.failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        harness.make(picture(tmp_path))
    harness.harness.uploader.failure = None
    harness.harness.reactor.advance(3600)
    assert harness.make(picture(tmp_path))[3] == 1


def test_a_render_that_fails(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """The error of a render is that of the item; the original is uploaded."""
    harness = make_harness("x4.png")
    harness.harness.processor.failure = NotAPictureError("broken")
    with pytest.raises(NotAPictureError, match="broken"):
        harness.make(picture(tmp_path))
    assert set(harness.files) == {f"{FOLDER}/original", f"{FOLDER}/info.json"}


def test_the_policy_holds(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """Outputs of the settings are made too; disallowed ones are refused."""
    harness = make_harness("x4.png", yaml="namespaces: {p: {outputs: [x7.jpg]}, q: {maximum_width: 3}}\n")
    assert harness.make(picture(tmp_path))[3] == 2
    with pytest.raises(PolicyError):
        harness.make(read_line(HASH, "q"))


def test_nothing_to_make(make_harness: Callable[..., MakerHarness]) -> None:
    """A namespace without outputs is an error, not a success."""
    with pytest.raises(ImagedError, match="--outputs"):
        make_harness().make(read_line(HASH, "p"))


def test_without_a_remote_store(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """Without a remote store, missing outputs are made in the local one and stay."""
    harness = make_harness("x4.png", remote=False)
    assert harness.make(picture(tmp_path)) == (str(IMAGE), 48, 32, 1, 0)
    assert harness.make(read_line(HASH, "p")) == (str(IMAGE), 48, 32, 0, 1)
    assert list(harness.local.walk()) == [(IMAGE, [ORIGINAL, RECORD, parse_file("x4.png")])]
    assert harness.make(picture(tmp_path, make_jpeg() + b"more"))[3] == 1
    assert len(harness.renders) == 2


def test_an_image_that_is_listed_twice(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """The second waits for the first, and no output is made twice."""
    harness = make_harness("x4.png")
    harness.harness.threads.held = True
    item = picture(tmp_path)
    both = [Deferred.fromCoroutine(harness.maker.make(item)) for _ in range(2)]
    assert harness.harness.threads.waiting == 1
    harness.harness.threads.step()
    one, two = map(wait, map(finished, both))
    assert [(one.made, one.there), (two.made, two.there)] == [(1, 0), (0, 1)]
    assert harness.renders == ["x4.png"]


async def finished(done: Deferred[ItemResult]) -> ItemResult:
    """Wait for a started item."""
    return await done


@pytest.mark.parametrize("remote", [True, False])
def test_an_auto_output_becomes_all_files_that_clients_may_get(
    make_harness: Callable[..., MakerHarness],
    tmp_path: Path,
    remote: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """A photograph gets WebP and JPEG, also at a second run, which makes nothing."""
    harness = make_harness("w24.auto", "w24.jpg", remote=remote)
    assert harness.make(picture(tmp_path))[3:] == (2, 0)
    assert sorted(harness.renders) == ["w24.jpg", "w24.webp"]
    assert harness.make(read_line(HASH, "p"))[3:] == (0, 2)
    assert len(harness.renders) == 2


def test_a_smart_crop_completes_the_record(make_harness: Callable[..., MakerHarness], tmp_path: Path) -> None:
    """The record that is uploaded has the details that the crop was made by; without one, no pixel is looked at."""
    sampler = SamplingStills()
    harness = make_harness("20x30-gsm.jpg", processor=sampler)
    harness.make(picture(tmp_path))
    record = json.loads(harness.files[f"{FOLDER}/info.json"])
    assert (record["average_color"], sampler.sampled) == ("#336699", 1)


def test_other_outputs_need_no_details(make_harness: Callable[..., MakerHarness], tmp_path: Path) -> None:
    """The pixels of a picture are looked at when the daemon is first asked for them."""
    sampler = SamplingStills()
    make_harness("w20.jpg", processor=sampler).make(picture(tmp_path))
    assert sampler.sampled == 0


def test_an_erased_picture_is_not_made(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """Neither one that a daemon here has erased, nor one that another node has; nothing of it is uploaded."""
    harness = make_harness("x4.png")
    tombstone = Tombstone(IMAGE, 1)
    harness.files[tombstone.key] = b"{}"
    with pytest.raises(GoneError):
        harness.make(picture(tmp_path))
    assert harness.renders == []
    assert list(harness.files) == [tombstone.key]
    del harness.files[tombstone.key]
    harness.local.tombstones.add(tombstone)
    with pytest.raises(GoneError):
        harness.make(picture(tmp_path))
    assert harness.files == {}


@pytest.mark.parametrize("is_failing", [False, True])
def test_an_erasure_by_the_daemon_here_wins(
    tmp_path: Path, make_harness: Callable[..., MakerHarness], *, is_failing: bool
) -> None:
    """What was uploaded is removed again, also where the batch learns of it in the middle, or an upload fails."""
    harness = make_harness("x4.png")
    upload = harness.harness.uploader.upload

    async def upload_and_erase(key: str, path: Path, content_type: str) -> None:
        if is_failing and key.endswith(".png"):
            raise StoreError("the bucket is full")
        await upload(key, path, content_type)
        harness.files[Tombstone(IMAGE, 1).key] = b"{}"
        if not is_failing:
            harness.local.tombstones.add(Tombstone(IMAGE, 1))

    harness.harness.uploader.upload = upload_and_erase  # type: ignore[method-assign]  # erased when one file is there
    with pytest.raises(GoneError):
        harness.make(picture(tmp_path))
    assert list(harness.files) == [Tombstone(IMAGE, 1).key]


def test_an_erasure_meanwhile_wins(tmp_path: Path, make_harness: Callable[..., MakerHarness]) -> None:
    """What was uploaded is removed again."""
    harness = make_harness("x4.png")
    upload = harness.harness.uploader.upload

    async def erase_and_upload(key: str, path: Path, content_type: str) -> None:
        harness.files[Tombstone(IMAGE, 1).key] = b"{}"
        await upload(key, path, content_type)

    harness.harness.uploader.upload = erase_and_upload  # type: ignore[method-assign]  # a node that erases meanwhile
    with pytest.raises(GoneError):
        harness.make(picture(tmp_path))
    assert list(harness.files) == [Tombstone(IMAGE, 1).key]
