"""The local store keeps pictures at the paths of their URLs, and trusts no record that it did not write."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imaged.core.errors import HashConflictError, StoreError
from imaged.core.files import ORIGINAL, RECORD, ImageFile
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.core.pictures import ImageInfo
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
FACTS = ImageInfo(IMAGE.hash, 400, 520, "image/jpeg", 81_234, "0" * 64)
OUTPUT = parse("x300.jpg")
SOUND: dict[str, Any] = {
    "hash": str(IMAGE.hash), "width": 400, "height": 520, "content_type": "image/jpeg", "size": 81_234,
    "sha256": "0" * 64,
}  # fmt: skip
UNSOUND = {
    "empty": b"",
    "no JSON": b"\x89PNG\r\n\x1a\n",
    "half": json.dumps(SOUND).encode()[:40],
    "no text": b"\xff\xfe{}",
    "a list": b"[1, 2]",
    "null": b"null",
    "a bottomless list": b"[" * 100_000,
    "of image-server 1.x": b'{"hash":"f840ee339d264d4bab1b169a653b1a91","height":520,"width":400,'
    b'"content_type":"image/jpeg"}',
    "of another picture": json.dumps({**SOUND, "hash": "0" * 32}).encode(),
    "a hash that is none": json.dumps({**SOUND, "hash": "../../etc/passwd"}).encode(),
    "a hash that is a number": json.dumps({**SOUND, "hash": 5}).encode(),
    "no width": json.dumps({key: value for key, value in SOUND.items() if key != "width"}).encode(),
    "a width of null": json.dumps({**SOUND, "width": None}).encode(),
    "a width in words": json.dumps({**SOUND, "width": "wide"}).encode(),
    "a width of zero": json.dumps({**SOUND, "width": 0}).encode(),
    "an endless width": json.dumps({**SOUND, "width": float("inf")}).encode(),
    "a negative size": json.dumps({**SOUND, "size": -1}).encode(),
    "a foreign type": json.dumps({**SOUND, "content_type": "text/html"}).encode(),
}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store."""
    return LocalStore(tmp_path / "store", [3, 3])


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Refuse files of more than a megabyte, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def keep(store: LocalStore, body: bytes) -> bool:
    """Keep `body` as the original of `IMAGE`."""
    temporary = store.new_temporary()
    temporary.write_bytes(body)
    try:
        return store.keep_original(IMAGE, temporary, hashlib.sha256(body).hexdigest())
    finally:
        assert not temporary.exists()


def put(store: LocalStore, file: ImageFile | str, body: bytes = b"") -> None:
    """Write a file into the folder of `IMAGE` without the store."""
    path = store.path(IMAGE, ORIGINAL).with_name(str(file))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


@pytest.mark.parametrize(
    ("partitions", "key"),
    [
        ([3, 3], "p/f84/0ee/339d264d4bab1b169a653b1a91/x300.jpg"),
        ([3, 3, 3], "p/f84/0ee/339/d264d4bab1b169a653b1a91/x300.jpg"),
        ([], "p/f840ee339d264d4bab1b169a653b1a91/x300.jpg"),
    ],
    ids=str,
)
def test_files_lie_at_the_path_of_their_url(tmp_path: Path, partitions: list[int], key: str) -> None:
    """Today's layout, that of image-server 1.x and an uncut one: each writes, finds and lists its own."""
    store = LocalStore(tmp_path, partitions)
    store.save_output(IMAGE, OUTPUT, b"picture")
    assert store.key(IMAGE, OUTPUT) == key
    assert (tmp_path / key).read_bytes() == b"picture"
    assert store.has(IMAGE, OUTPUT)
    assert store.outputs(IMAGE) == [OUTPUT]


def test_an_open_file_is_the_one_that_was_opened(store: LocalStore) -> None:
    """What is replaced under a reader stays whole for it, and so does what was said of it."""
    store.save_output(IMAGE, OUTPUT, b"old")
    opened = store.open(IMAGE, OUTPUT)
    store.save_output(IMAGE, OUTPUT, b"newer")
    assert opened is not None
    with opened.file:
        assert (opened.file.read(), opened.size_bytes) == (b"old", 3)
        assert opened.modified_ns == os.fstat(opened.file.fileno()).st_mtime_ns


def test_what_is_not_there_is_a_value(store: LocalStore) -> None:
    """A missing file is expected, even where another file stands in its way."""
    assert store.open(IMAGE, ORIGINAL) is None
    assert not store.has(IMAGE, ORIGINAL)
    assert store.outputs(IMAGE) == []
    assert store.read_info(IMAGE) is None
    (store.root / "p").parent.mkdir(parents=True)
    (store.root / "p").write_bytes(b"in the way")
    assert store.open(IMAGE, ORIGINAL) is None
    assert store.outputs(IMAGE) == []


def test_what_cannot_be_read_is_the_stores_error(store: LocalStore) -> None:
    """Not a missing picture: it may be back when somebody has mended the disk."""
    store.path(IMAGE, ORIGINAL).mkdir(parents=True)
    with pytest.raises(StoreError, match="original cannot be read: Is a directory"):
        store.open(IMAGE, ORIGINAL)


def test_strangers_are_not_listed(store: LocalStore) -> None:
    """The original, the record and whatever else lies there are no outputs."""
    outputs = ["full_size.webp", "w500-q50.jpg", "x300.jpg"]
    for name in [
        *outputs,
        ORIGINAL,
        RECORD,
        "x300.bmp",
        "300x300.jpg",
        "x300.jpg~",
        ".x300.jpg",
        "notes",
        "w500.jpg.tmp",
    ]:
        put(store, name)
    assert [str(output) for output in store.outputs(IMAGE)] == outputs


def test_the_first_original_is_kept(store: LocalStore) -> None:
    """The same bytes once more are no news, and no error."""
    assert keep(store, b"picture")
    assert not keep(store, b"picture")
    assert store.path(IMAGE, ORIGINAL).read_bytes() == b"picture"


def test_other_bytes_with_the_same_hash_are_a_conflict(store: LocalStore) -> None:
    """MD5 can be forged: the first picture stays what it was."""
    keep(store, b"picture")
    with pytest.raises(HashConflictError, match=str(IMAGE)):
        keep(store, b"forgery")
    assert store.path(IMAGE, ORIGINAL).read_bytes() == b"picture"


def test_an_original_that_cannot_be_compared_is_the_stores_error(store: LocalStore) -> None:
    """Where something unreadable has the name, nothing is acknowledged."""
    store.path(IMAGE, ORIGINAL).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be kept"):
        keep(store, b"picture")


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_the_stores_error(store: LocalStore) -> None:
    """The older output stays, no half of the new one does, and the message tells what to do."""
    store.save_output(IMAGE, OUTPUT, b"old")
    with pytest.raises(StoreError, match=r"x300\.jpg cannot be kept: File too large; free some space"):
        store.save_output(IMAGE, OUTPUT, b"0" * (2 << 20))
    assert store.path(IMAGE, OUTPUT).read_bytes() == b"old"
    assert list(store.incoming.folder.iterdir()) == []


def test_a_store_that_cannot_be_made_is_the_stores_error(tmp_path: Path) -> None:
    """Where a file has the name of the store's folder, nothing is kept."""
    (tmp_path / "store").write_bytes(b"in the way")
    store = LocalStore(tmp_path / "store", [3, 3])
    with pytest.raises(StoreError):
        store.new_temporary()
    with pytest.raises(StoreError):
        store.save_output(IMAGE, OUTPUT, b"picture")


def test_a_record_is_read_back(store: LocalStore) -> None:
    """It stands in the file as it stands in answers."""
    store.save_info(IMAGE, FACTS)
    assert store.read_info(IMAGE) == FACTS
    record = json.loads(store.path(IMAGE, RECORD).read_bytes())
    assert record == store.describe(FACTS) == {**SOUND, "partitionedHash": "f84/0ee/339d264d4bab1b169a653b1a91"}


@pytest.mark.parametrize("body", UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_record_is_none(store: LocalStore, body: bytes) -> None:
    """What is incomplete, foreign or garbage is not believed: the facts are to be had from the original."""
    put(store, RECORD, body)
    assert store.read_info(IMAGE) is None


def test_more_in_a_record_does_no_harm(store: LocalStore) -> None:
    """A later version may write keys that this one does not know."""
    put(store, RECORD, json.dumps({**SOUND, "blurhash": "LEHV6nWB2yk8"}).encode())
    assert store.read_info(IMAGE) == FACTS


def test_a_store_that_takes_no_files_is_told_at_once(tmp_path: Path) -> None:
    """Not with the first picture; a trial leaves nothing where it can write."""
    with pytest.raises(StoreError, match="nope"):
        LocalStore(Path("/proc/nope"), [3, 3]).try_out()
    LocalStore(tmp_path, [3, 3]).try_out()
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_a_store_is_tried_with_all_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system where a second file takes the name of the first is refused, and nothing is left of the trial."""
    store = LocalStore(tmp_path, (3, 3))
    store.try_out()
    monkeypatch.setattr(os, "link", os.replace)
    with pytest.raises(StoreError, match="does not keep the first file of a name"):
        store.try_out()
    assert list(store.incoming.folder.iterdir()) == []


def test_a_namespace_on_another_file_system_is_tried_too(tmp_path: Path) -> None:
    """It may be full or read-only where the store is not."""
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
