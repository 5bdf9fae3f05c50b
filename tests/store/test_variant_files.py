"""Variants are replaced, listed, counted and forgotten."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from imaged.core.errors import StoreError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store.disk import SMALL_BYTES, FileBody, NewVariant, OpenFile, variant_time_ns
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
OUTPUT = parse("x300.jpg")


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Refuse files of more than a megabyte, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read(store: LocalStore) -> bytes:
    """Return what the store serves for `OUTPUT`."""
    opened = store.variants.open(IMAGE, OUTPUT)
    assert opened is not None
    return content(opened)


def content(opened: OpenFile | FileBody) -> bytes:
    """Return the bytes of an open file, and close it."""
    if isinstance(opened, FileBody):
        return opened.body
    with opened.file:
        return opened.file.read() or b""


def put(store: LocalStore, name: str, body: bytes = b"") -> None:
    """Write a file into the folder of `IMAGE` without the store."""
    path = store.path(IMAGE, ORIGINAL).with_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def test_an_open_file_is_the_one_that_was_opened(store: LocalStore) -> None:
    """A reader of a replaced file still reads the old one, with its size and time, whether it is small or large."""
    for size_bytes in (3, SMALL_BYTES, SMALL_BYTES + 1):
        old = b"o" * size_bytes
        store.variants.save(IMAGE, OUTPUT, old)
        os.utime(store.path(IMAGE, OUTPUT), ns=(5, 5))
        opened = store.variants.open(IMAGE, OUTPUT)
        store.variants.save(IMAGE, OUTPUT, b"newer")
        assert opened is not None
        assert (opened.size_bytes, opened.modified_ns) == (size_bytes, 5)
        assert isinstance(opened, FileBody) == (size_bytes <= SMALL_BYTES)
        assert content(opened) == old


def test_other_files_are_not_listed(store: LocalStore) -> None:
    """The original, the record and files with other names are not outputs."""
    outputs = ["full_size.webp", "w500-q50.jpg", "x300.jpg"]
    for name in [
        *outputs,
        str(ORIGINAL),
        str(RECORD),
        "300x300.jpg",
        "x300.jpg~",
        ".x300.jpg",
        "notes",
        "w500.jpg.tmp",
    ]:
        put(store, name)
    assert [str(output) for output in store.variants.outputs(IMAGE)] == outputs


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_the_stores_error(store: LocalStore) -> None:
    """The older output stays, no part of the new one does, and the message says what to do."""
    store.variants.save(IMAGE, OUTPUT, b"old")
    with pytest.raises(StoreError, match=r"x300\.jpg cannot be kept: File too large; look at its file system"):
        store.variants.save(IMAGE, OUTPUT, b"0" * (2 << 20))
    assert store.path(IMAGE, OUTPUT).read_bytes() == b"old"
    assert list(store.incoming.folder.iterdir()) == []


def test_a_forgotten_variant_is_gone(store: LocalStore) -> None:
    """Its name is free again, an open file stays readable, and the original is untouched."""
    put(store, "original", b"picture")
    store.variants.save(IMAGE, OUTPUT, b"variant")
    opened = store.variants.open(IMAGE, OUTPUT)
    assert store.variants.forget(IMAGE, OUTPUT)
    assert opened is not None
    assert content(opened) == b"variant"
    assert not store.has(IMAGE, OUTPUT)
    assert store.files(IMAGE) == [ORIGINAL]
    assert not store.variants.forget(IMAGE, OUTPUT)


def test_a_variant_that_cannot_be_removed_is_the_stores_error(store: LocalStore) -> None:
    """The message names the file."""
    store.path(IMAGE, OUTPUT).mkdir(parents=True)
    with pytest.raises(StoreError, match=r"x300\.jpg cannot be removed: Is a directory"):
        store.variants.forget(IMAGE, OUTPUT)


def test_files_and_new_outputs_are_counted_once(store: LocalStore) -> None:
    """Original and record do not count; in a full folder, no more files are looked at than necessary."""
    assert store.variants.count(IMAGE, [OUTPUT], 10) == 1
    for name in ("original", "info.json", "x300.jpg", "x301.jpg", "notes"):
        put(store, name)
    assert store.variants.count(IMAGE, [OUTPUT, parse("x302.jpg")], 10) == 4
    assert store.variants.count(IMAGE, [], 2) == 2


def test_a_superseded_store_keeps_its_own_render_apart(store: LocalStore) -> None:
    """Each store serves its own, and a variant that did not exist is kept for both; `reinstate` ends that."""
    newer, new = LocalStore(store.root, [3, 3]), parse("x301.jpg")
    newer.variants.save(IMAGE, OUTPUT, b"newer")
    store.variants.supersede()
    store.variants.save(IMAGE, OUTPUT, b"older")
    store.variants.save(IMAGE, new, b"first")
    store.variants.supersede()
    assert (read(store), read(newer)) == (b"older", b"newer")
    assert newer.variants.outputs(IMAGE) == [OUTPUT, new]
    store.variants.reinstate()
    assert read(store) == b"newer"
    assert list(store.incoming.folder.iterdir()) == []
    store.variants.save(IMAGE, OUTPUT, b"newest")
    assert read(newer) == b"newest"


def test_a_store_that_is_superseded_while_it_saves_replaces_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload may come while a slow disk takes an older render, and the newer one may be stored first."""
    newer, new, fsync = LocalStore(store.root, [3, 3]), parse("x301.jpg"), os.fsync

    def reload(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        store.variants.supersede()
        newer.variants.save(IMAGE, OUTPUT, b"newer")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", reload)
    older = [NewVariant(IMAGE, output, FileBody(b"older", variant_time_ns())) for output in (OUTPUT, new)]
    assert store.variants.save_all(older) == [None, None]
    assert (read(store), store.path(IMAGE, new).read_bytes()) == (b"newer", b"older")
    assert list(store.incoming.folder.iterdir()) == []


def test_a_path_is_reopened_while_this_store_is_not_superseded(store: LocalStore) -> None:
    """A superseded store may serve another file under the name; a directory, or nothing, cannot be reopened."""
    path = str(store.path(IMAGE, OUTPUT))
    assert store.variants.reopen(path) is None
    store.variants.save(IMAGE, OUTPUT, b"variant")
    for supersede, found in ((False, True), (True, False), (False, True)):
        (store.variants.supersede if supersede else store.variants.reinstate)()
        opened = store.variants.reopen(path)
        assert (opened is not None) == found
        assert opened is None or content(opened) == b"variant"
    store.variants.forget(IMAGE, OUTPUT)
    store.path(IMAGE, OUTPUT).mkdir()
    assert store.variants.reopen(path) is None
