"""What a store occupies, counted and kept up to date."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_disk import SmallDisk

from imaged.store.local import LocalStore
from imaged.store.size import StoreSize
from imaged.store.usage import Usage, measure


def du(root: Path) -> int:
    """Return the bytes that `du` counts."""
    return int(subprocess.run(["du", "-s", "-B1", root], check=True, capture_output=True, text=True).stdout.split()[0])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a file in a folder."""
    path = tmp_path / "store" / "p" / "f84" / "original"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(10_000))
    return tmp_path / "store"


@pytest.fixture
def size(root: Path) -> StoreSize:
    """Return the size of `root`, counted."""
    size = StoreSize()
    size.count(root)
    return size


def test_a_count_is_that_of_du(root: Path, size: StoreSize) -> None:
    """Files count with whole blocks, and folders count too."""
    assert size.total_bytes == measure(root).occupied_bytes == du(root)


def test_a_new_file_grows_the_store_by_its_folders_too(root: Path, size: StoreSize) -> None:
    """The first file of a picture makes folders, which a disk keeps in blocks of their own."""
    path = root / "p" / "0ee" / "339" / "x300.jpg"
    with size.changing([path], root):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(5000))
    assert size.total_bytes == du(root)


def test_two_new_files_share_their_new_folders(root: Path, size: StoreSize) -> None:
    """A folder counts once."""
    paths = [root / "q" / "339" / name for name in ("x300.jpg", "x600.jpg")]
    with size.changing(paths, root):
        paths[0].parent.mkdir(parents=True)
        for path in paths:
            path.write_bytes(bytes(5000))
    assert size.total_bytes == du(root)


def test_a_smaller_file_in_place_of_another_shrinks_the_store(root: Path, size: StoreSize) -> None:
    """So does a file that is removed."""
    path = root / "p" / "f84" / "original"
    with size.changing([path], root):
        path.write_bytes(bytes(100))
    assert size.usage == Usage(1, 100, du(root))
    with size.changing([path], root):
        path.unlink()
    assert size.usage == Usage(0, 0, du(root))


def test_a_file_whose_blocks_are_not_allocated_yet_counts_with_its_size(root: Path, size: StoreSize) -> None:
    """ZFS and Btrfs allocate them seconds later: until then such a file looks like a sparse one."""
    path = root / "p" / "f84" / "x300.jpg"
    with size.changing([path], root):
        path.touch()
        os.truncate(path, 5_000_000)
    assert size.total_bytes is not None
    assert size.total_bytes >= du(root) + 5_000_000


@pytest.fixture
def elsewhere(root: Path, tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a namespace on another file system."""
    disk = SmallDisk(tmp_path / "disk", 1 << 20)
    (root / "q").symlink_to(disk.folder)
    yield root / "q"
    disk.close()


def test_a_namespace_on_another_file_system_occupies_nothing(root: Path, elsewhere: Path) -> None:
    """Its files are no reason to forget others. They are among the files of the store."""
    size = StoreSize()
    size.count(root)
    before, path = size.total_bytes, elsewhere / "f84" / "x300.jpg"
    with size.changing([path], root):
        path.parent.mkdir()
        path.write_bytes(bytes(10_000))
    assert (size.total_bytes, size.changed.files) == (before, 1)


def test_a_change_that_fails_counts_as_far_as_it_came(root: Path, size: StoreSize) -> None:
    """The error passes."""
    path = root / "p" / "new" / "x300.jpg"

    def fail() -> None:
        with size.changing([path], root):
            path.parent.mkdir()
            path.mkdir()
            path.write_bytes(b"")

    with pytest.raises(IsADirectoryError):
        fail()
    assert size.total_bytes == du(root)


def test_changes_before_the_first_count_give_no_total(root: Path) -> None:
    """What a store holds is unknown until it is counted."""
    size = StoreSize()
    size.add(Usage(1, 10, 10))
    assert size.total_bytes is None
    size.count(root)
    assert size.total_bytes == du(root)
    size.forget()
    assert size.total_bytes is None


def test_a_change_during_a_count_is_half_in_it(root: Path) -> None:
    """Hashes are spread evenly, so half of the files that change were counted before."""
    size = StoreSize()

    def measure_meanwhile(folder: Path, is_stopped: Callable[[], bool]) -> Usage:
        size.add(Usage(1, 1000, 1000))
        return measure(folder, is_stopped)

    size.count(root, measure=measure_meanwhile)
    assert size.total_bytes == du(root) + 500


def test_a_store_without_a_size_is_not_looked_at(store: LocalStore) -> None:
    """Without a bound, a write costs what it did."""
    assert store.size is None


def test_a_file_that_is_removed_before_its_write_has_ended_counts_once(root: Path, size: StoreSize) -> None:
    """An erasure may find the file, and its folder, while the save still waits for the disk."""
    path = root / "q" / "0ee" / "x300.jpg"
    with size.changing([path], root):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(5000))
        with size.changing([path], root):
            path.unlink()
        with size.changing([path.parent], root):
            path.parent.rmdir()
    assert size.usage == measure(root)
    assert size.total_bytes == du(root)


def test_a_folder_that_is_removed_and_made_again_meanwhile_counts(root: Path, size: StoreSize) -> None:
    """It was there when the write began."""
    path = root / "p" / "f84" / "original"
    path.unlink()
    size.count(root)
    with size.changing([path], root):
        with size.changing([path.parent], root):
            path.parent.rmdir()
        path.parent.mkdir()
        path.write_bytes(bytes(10_000))
    assert size.usage == measure(root)
