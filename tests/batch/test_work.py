"""One item of a batch, on threads that run at once and a remote store in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred

from imaged.batch.items import Item, read_line, read_path
from imaged.batch.no_queue import NoQueue
from imaged.batch.scratch import open_scratch
from imaged.batch.work import Done, Work
from imaged.core.errors import (
    CorruptOriginalError,
    ImagedError,
    NotAPictureError,
    NotFoundError,
    PolicyError,
    StoreUnavailableError,
)
from imaged.core.files import ORIGINAL, RECORD, parse_file
from imaged.core.outputs import parse
from imaged.store.local import LocalStore
from imaged.store.usage import measure
from imaged.testing.fakes import run_at_once
from imaged.testing.pictures import make_jpeg, make_png
from imaged.testing.waiting import wait

FOLDER = f"p/{IMAGE.hash.partition((3, 3))}"
URL = "https://example.com/a.jpg"
HASH = str(IMAGE.hash)


class WorkHarness:
    """A pipeline with a batch's work; `local` is the store of a daemon beside the scratch store."""

    def __init__(self, folder: Path, names: list[str], yaml: str = "", *, remote: bool = True) -> None:
        self.local = LocalStore(folder / "public", (3, 3))
        store = open_scratch(self.local.root, (3, 3)) if remote else self.local
        self.harness = PipelineHarness(folder, yaml, remote=remote, store=store, jobs=NoQueue())
        self.store = store
        self.work = Work(self.harness.pipeline, self.local, [parse(name) for name in names], run_at_once)

    def do(self, item: Item) -> tuple[str, int, int, int, int]:
        """Do an item, and check that no file of it is left in the scratch store."""
        try:
            done = wait(self.work.do(item))
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
def make_work_harness(tmp_path: Path) -> Iterator[Callable[..., WorkHarness]]:
    """Return a function that makes a harness, once in a test."""
    made: list[WorkHarness] = []

    def make(*names: str, yaml: str = "", remote: bool = True) -> WorkHarness:
        made.append(WorkHarness(tmp_path, list(names), yaml, remote=remote))
        return made[-1]

    yield make
    for work_harness in made:
        work_harness.store.close()
        work_harness.harness.queue.close()


def picture(folder: Path, body: bytes = PICTURE) -> Item:
    """Write a picture and return its item."""
    path = folder / "picture"
    path.write_bytes(body)
    return read_path(str(path), "p")


def test_a_picture_is_made_and_uploaded(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """Outputs, original and record are uploaded under the keys of a daemon; a second run uploads nothing."""
    work_harness = make_work_harness("x4.png", "x5.jpg")
    assert work_harness.do(picture(tmp_path)) == (str(IMAGE), 48, 32, 2, 0)
    assert set(work_harness.files) == {f"{FOLDER}/{name}" for name in ("original", "info.json", "x4.png", "x5.jpg")}
    assert work_harness.files[f"{FOLDER}/original"] == PICTURE
    assert work_harness.harness.uploader.content_types[f"{FOLDER}/x5.jpg"] == "image/jpeg"
    assert work_harness.harness.uploader.content_types[f"{FOLDER}/original"] == "image/jpeg"
    assert work_harness.do(picture(tmp_path)) == (str(IMAGE), 48, 32, 0, 2)
    assert len(work_harness.renders) == 2
    assert (tmp_path / "picture").read_bytes() == PICTURE
    assert not list(work_harness.local.walk())


def test_existing_outputs_are_not_made(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """Existing outputs are not rendered, and neither they nor the original are uploaded again."""
    work_harness = make_work_harness("x4.png", "x5.png")
    work_harness.do(picture(tmp_path))
    work_harness.files[f"{FOLDER}/x4.png"] = work_harness.files[f"{FOLDER}/info.json"] = b"as it was"
    del work_harness.files[f"{FOLDER}/x5.png"]
    assert work_harness.do(read_line(HASH, "p"))[3:] == (1, 1)
    assert work_harness.files[f"{FOLDER}/x4.png"] == work_harness.files[f"{FOLDER}/info.json"] == b"as it was"
    assert work_harness.renders == ["x4.png", "x5.png", "x5.png"]


@pytest.mark.parametrize("name", ["original", "info.json"])
def test_a_missing_original_or_record_is_added(
    tmp_path: Path, make_work_harness: Callable[..., WorkHarness], name: str
) -> None:
    """A missing original or record is uploaded, also where all outputs exist."""
    work_harness = make_work_harness("x4.png")
    work_harness.do(picture(tmp_path))
    before = dict(work_harness.files)
    del work_harness.files[f"{FOLDER}/{name}"]
    assert work_harness.do(picture(tmp_path)) == (str(IMAGE), 48, 32, 0, 1)
    assert work_harness.files == before
    assert len(work_harness.renders) == 1


def test_a_record_that_cannot_be_read(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """An unsound record is written again from the original."""
    work_harness = make_work_harness("x4.png")
    work_harness.do(picture(tmp_path))
    work_harness.files[f"{FOLDER}/info.json"] = b"{}"
    assert work_harness.do(read_line(HASH, "p")) == (str(IMAGE), 48, 32, 0, 1)
    assert json.loads(work_harness.files[f"{FOLDER}/info.json"])["width"] == 48


def test_size_without_the_original(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """Where no file is missing, the record gives the size."""
    work_harness = make_work_harness("x4.png")
    work_harness.do(picture(tmp_path))
    work_harness.files[f"{FOLDER}/original"] = b"not to be read"
    assert work_harness.do(read_line(HASH, "p")) == (str(IMAGE), 48, 32, 0, 1)


def test_a_local_original_is_used(make_work_harness: Callable[..., WorkHarness], tmp_path: Path) -> None:
    """The original of a daemon's store is used and stays unchanged."""
    work_harness = make_work_harness("x4.png")
    path = work_harness.local.path(IMAGE, ORIGINAL)
    path.parent.mkdir(parents=True)
    path.write_bytes(PICTURE)
    assert work_harness.do(read_line(HASH, "p"))[3] == 1
    assert [path.name for path in path.parent.iterdir()] == ["original"]
    path.write_bytes(make_png())
    work_harness.files.clear()
    with pytest.raises(CorruptOriginalError, match="other bytes"):
        work_harness.do(read_line(HASH, "p"))
    assert work_harness.files == {}
    assert tmp_path


def test_an_unknown_hash(make_work_harness: Callable[..., WorkHarness]) -> None:
    """An unknown hash fails, and the error names it."""
    with pytest.raises(NotFoundError, match=HASH):
        make_work_harness("x4.png").do(read_line(HASH, "p"))


def test_a_url_is_fetched(make_work_harness: Callable[..., WorkHarness]) -> None:
    """A URL is fetched, with a hash only when no store has the original."""
    work_harness = make_work_harness("x4.png")
    assert work_harness.do(read_line(f"{HASH} {URL}", "p"))[3:] == (1, 0)
    assert work_harness.do(read_line(f"{HASH} {URL}", "p"))[3:] == (0, 1)
    del work_harness.files[f"{FOLDER}/x4.png"]
    assert work_harness.do(read_line(f"{HASH} {URL}", "p"))[3:] == (1, 0)
    assert work_harness.harness.sources.urls == [URL]
    assert work_harness.do(read_line(URL, "p")) == (str(IMAGE), 48, 32, 0, 1)
    assert work_harness.harness.sources.urls == [URL, URL]


def test_bytes_that_are_not_those(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """A URL or file whose bytes have another hash fails, and nothing is kept."""
    work_harness = make_work_harness("x4.png")
    other = hashlib.md5(b"other").hexdigest()
    with pytest.raises(NotAPictureError, match="other bytes"):
        work_harness.do(read_line(f"{other} {URL}", "p"))
    path = tmp_path / "p" / other / "original"
    path.parent.mkdir(parents=True)
    path.write_bytes(PICTURE)
    with pytest.raises(CorruptOriginalError, match="other bytes"):
        work_harness.do(read_path(str(path), "q"))
    assert work_harness.files == {}


def test_no_picture(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """A file that is no picture fails, and nothing is uploaded."""
    work_harness = make_work_harness("x4.png")
    with pytest.raises(NotAPictureError):
        work_harness.do(picture(tmp_path, b"text"))
    with pytest.raises(NotFoundError, match="cannot be read"):
        work_harness.do(read_path(str(tmp_path / "missing"), "p"))
    assert work_harness.files == {}


def test_a_store_that_is_away(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """While the store is away, the item fails and can be done later."""
    work_harness = make_work_harness("x4.png")
    work_harness.harness.uploader.failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        work_harness.do(picture(tmp_path))
    work_harness.harness.uploader.failure = None
    work_harness.harness.reactor.advance(3600)
    assert work_harness.do(picture(tmp_path))[3] == 1


def test_a_render_that_fails(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """The error of a render is that of the item; the original is uploaded."""
    work_harness = make_work_harness("x4.png")
    work_harness.harness.processor.failure = NotAPictureError("broken")
    with pytest.raises(NotAPictureError, match="broken"):
        work_harness.do(picture(tmp_path))
    assert set(work_harness.files) == {f"{FOLDER}/original", f"{FOLDER}/info.json"}


def test_the_policy_holds(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """Outputs of the settings are made too; disallowed ones are refused."""
    work_harness = make_work_harness("x4.png", yaml="namespaces: {p: {outputs: [x7.jpg]}, q: {maximum_width: 3}}\n")
    assert work_harness.do(picture(tmp_path))[3] == 2
    with pytest.raises(PolicyError):
        work_harness.do(read_line(HASH, "q"))


def test_nothing_to_make(make_work_harness: Callable[..., WorkHarness]) -> None:
    """A namespace without outputs is an error, not a success."""
    with pytest.raises(ImagedError, match="--outputs"):
        make_work_harness().do(read_line(HASH, "p"))


def test_without_a_remote_store(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """Without a remote store, missing outputs are made in the local one and stay."""
    work_harness = make_work_harness("x4.png", remote=False)
    assert work_harness.do(picture(tmp_path)) == (str(IMAGE), 48, 32, 1, 0)
    assert work_harness.do(read_line(HASH, "p")) == (str(IMAGE), 48, 32, 0, 1)
    assert list(work_harness.local.walk()) == [(IMAGE, [ORIGINAL, RECORD, parse_file("x4.png")])]
    assert work_harness.do(picture(tmp_path, make_jpeg() + b"more"))[3] == 1
    assert len(work_harness.renders) == 2


def test_an_image_that_is_listed_twice(tmp_path: Path, make_work_harness: Callable[..., WorkHarness]) -> None:
    """The second waits for the first, and no output is made twice."""
    work_harness = make_work_harness("x4.png")
    work_harness.harness.threads.held = True
    item = picture(tmp_path)
    both = [Deferred.fromCoroutine(work_harness.work.do(item)) for _ in range(2)]
    assert work_harness.harness.threads.waiting == 1
    work_harness.harness.threads.step()
    one, two = map(wait, map(finished, both))
    assert [(one.made, one.there), (two.made, two.there)] == [(1, 0), (0, 1)]
    assert work_harness.renders == ["x4.png"]


async def finished(done: Deferred[Done]) -> Done:
    """Wait for a started item."""
    return await done
