"""A store that cannot keep files says so at once."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from imaged.core.errors import StoreError
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
OUTPUT = parse("x300.jpg")


def test_a_store_that_cannot_be_made_is_the_stores_error(tmp_path: Path) -> None:
    """Where a file has the name of the store's folder, every write raises StoreError."""
    (tmp_path / "store").write_bytes(b"in the way")
    store = LocalStore(tmp_path / "store", [3, 3])
    with pytest.raises(StoreError):
        store.new_temporary()
    with pytest.raises(StoreError):
        store.variants.save(IMAGE, OUTPUT, b"picture")


def test_a_folder_that_cannot_be_read_is_the_stores_error(tmp_path: Path) -> None:
    """Where the disk does not tell whether a file exists, or what a folder holds, each read raises StoreError."""
    store = LocalStore(tmp_path, [3, 3])
    folder = store.path(IMAGE, OUTPUT).parent
    folder.parent.mkdir(parents=True)
    folder.symlink_to(folder)  # the system follows it until it refuses to
    for read in (
        lambda: store.has(IMAGE, OUTPUT),
        lambda: store.variants.open(IMAGE, OUTPUT),
        lambda: store.variants.outputs(IMAGE),
        lambda: store.variants.count(IMAGE, [OUTPUT], 10),
        lambda: store.originals.check_conflict(IMAGE, ""),
    ):
        with pytest.raises(StoreError, match="cannot be read: Too many levels of symbolic links"):
            read()


def test_a_store_that_takes_no_files_is_an_error(tmp_path: Path) -> None:
    """The trial raises StoreError before the first picture; where it succeeds it leaves no file."""
    with pytest.raises(StoreError, match="nope"):
        LocalStore(Path("/proc/nope"), [3, 3]).try_out()
    LocalStore(tmp_path, [3, 3]).try_out()
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_a_store_is_tried_with_all_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system where a second file replaces the first is refused, and the trial leaves no file."""
    store = LocalStore(tmp_path, (3, 3))
    store.try_out()
    monkeypatch.setattr(os, "link", os.replace)
    with pytest.raises(StoreError, match="replaces an existing file although it must not"):
        store.try_out()
    assert list(store.incoming.folder.iterdir()) == []


def test_a_namespace_on_another_file_system_is_tried_too(tmp_path: Path) -> None:
    """The trial covers a namespace on another file system, which may be full or read-only."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system: /dev/shm is none")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        (tmp_path / "p").symlink_to(folder)
        store = LocalStore(tmp_path, (3, 3))
        store.try_out()
        assert list((tmp_path / "p" / ".incoming").iterdir()) == []
        (tmp_path / "p" / ".incoming").rmdir()
        (tmp_path / "p" / ".incoming").touch()
        with pytest.raises(StoreError, match="no files can be kept"):
            store.try_out()


def test_a_folder_that_the_disk_does_not_give_is_the_stores_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store reports an I/O error in its look for namespaces on other file systems as its own."""
    store = LocalStore(tmp_path, [3, 3])
    (tmp_path / "p").mkdir()
    stat = os.stat

    def fail(path: str | Path, **how: Any) -> os.stat_result:
        if Path(path).name == "p":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return stat(path, **how)

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(StoreError, match="cannot be read: Input/output error"):
        store.try_out()
