"""Samples of a store, and removed files that were not used."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from imaged.core.eviction import HASHES, MOST_FILES
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store.layout import Layout
from imaged.store.least_used import LeastUsed
from imaged.store.size import StoreSize

X30, X60 = parse("x30.jpg"), parse("x60.jpg")
ALL = [("0" * 32, "f" * 32)]
PARTITIONS = [(3, 3), (3, 3, 3), (2,), ()]


def image(number: int, namespace: str = "p") -> ImageId:
    """Return the image with this number as its hash."""
    return ImageId(namespace, ImageHash(f"{number:032x}"))


def spread(count: int) -> list[ImageId]:
    """Return images that are spread evenly."""
    return [image(HASHES // count * number + 12345) for number in range(count)]


def keep(store: LeastUsed, *files: tuple[ImageId, object], used_s: float = 1000.0) -> None:
    """Write files of 100 bytes that were last used then."""
    for owner, file in files:
        path = store.layout.folder(owner) / str(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (used_s, 500.0))


@pytest.fixture(params=PARTITIONS, ids=str)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LeastUsed:
    """Return an empty store with each shape of folders."""
    (tmp_path / "store").mkdir()
    return LeastUsed(Layout(tmp_path / "store", request.param), StoreSize())


def test_a_range_of_all_hashes_has_every_file(store: LeastUsed) -> None:
    """Outputs, originals and records, of each namespace; other files are no files of images."""
    keep(store, (image(1), X30), (image(1), ORIGINAL), (image(2, "q"), RECORD), (image(1), "notes.txt"))
    (store.layout.root / ".incoming" / "x").mkdir(parents=True)
    assert set(store.look(ALL)) == {(image(1), X30), (image(1), ORIGINAL), (image(2, "q"), RECORD)}


def test_a_file_has_its_last_use(store: LeastUsed) -> None:
    """The later one of its access time and its modification time."""
    keep(store, (image(1), X30), used_s=1000.0)
    keep(store, (image(1), X60), used_s=100.0)
    assert {file: used.used_s for (_, file), used in store.look(ALL).items()} == {X30: 1000.0, X60: 500.0}


@pytest.mark.parametrize("width", [HASHES // 2, HASHES // 100, HASHES >> 12, HASHES >> 20, 1])
def test_a_range_has_the_images_of_its_hashes(store: LeastUsed, width: int) -> None:
    """Whether it is wide or narrow, and wherever it begins and ends."""
    images = spread(200)
    keep(store, *((each, X30) for each in images))
    for begin in (0, 12345, HASHES // 3, HASHES - width):
        found = store.look([(f"{begin:032x}", f"{begin + width - 1:032x}")])
        wanted = [each for each in images if begin <= int(str(each.hash), 16) < begin + width]
        assert [each for each, _ in found] == wanted or sorted(each for each, _ in found) == wanted


def test_ranges_beside_each_other_share_no_image(store: LeastUsed) -> None:
    """Each image is in one of them."""
    images = spread(64)
    keep(store, *((each, X30) for each in images))
    step = HASHES // 37
    edges = [*range(0, HASHES - step, step), HASHES]
    found = [each for a, b in pairwise(edges) for each, _ in store.look([(f"{a:032x}", f"{b - 1:032x}")])]
    assert sorted(found) == images


def test_a_sample_of_a_crowd_ends_early(store: LeastUsed) -> None:
    """A client may post many pictures whose hashes begin alike."""
    outputs = [parse(f"x{number}.jpg") for number in range(1, 101)]
    keep(store, *((image(number), output) for number in range(12) for output in outputs))
    assert len(store.look(ALL)) == MOST_FILES


def test_a_missing_store_is_empty(tmp_path: Path) -> None:
    """The first picture makes its folder."""
    assert LeastUsed(Layout(tmp_path / "none", (3, 3))).look(ALL) == {}


def test_a_namespace_elsewhere_is_left_out(store: LeastUsed, tmp_path: Path) -> None:
    """Removing its files would not free the disk of the store."""
    (tmp_path / "elsewhere").mkdir()
    (store.layout.root / "q").symlink_to(tmp_path / "elsewhere")
    keep(store, (image(1, "q"), X30))
    assert store.look(ALL) == {}


def test_a_forgotten_file_is_gone_with_its_empty_folders(store: LeastUsed) -> None:
    """The folder of the namespace stays."""
    keep(store, (image(1), X30), (image(HASHES - 1), X30))
    assert store.size is not None
    store.size.count(store.layout.root)
    assert store.forget((image(1), X30), 1000.0) is not None
    assert list(store.look(ALL)) == [(image(HASHES - 1), X30)]
    assert store.forget((image(HASHES - 1), X30), 1000.0) is not None
    assert list((store.layout.root / "p").iterdir()) == []
    counted = store.size.total_bytes
    store.size.count(store.layout.root)
    assert store.size.total_bytes == counted


def test_a_folder_with_other_files_stays(store: LeastUsed) -> None:
    """They are not touched."""
    keep(store, (image(1), X30), (image(1), ORIGINAL))
    store.forget((image(1), X30), 1000.0)
    assert list(store.look(ALL)) == [(image(1), ORIGINAL)]


def test_a_file_that_was_used_since_stays(store: LeastUsed) -> None:
    """It was seen some time ago."""
    keep(store, (image(1), X30), used_s=2000.0)
    assert store.forget((image(1), X30), 1000.0) is None
    assert list(store.look(ALL)) == [(image(1), X30)]


def test_a_file_that_is_gone_is_none(store: LeastUsed) -> None:
    """Another process has forgotten it."""
    assert store.forget((image(1), X30), 1000.0) is None
