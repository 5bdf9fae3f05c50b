"""Records of what is at the paths of origins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imaged.core.hashes import ImageHash
from imaged.store.local import LocalStore
from imaged.store.origin_records import MAXIMUM_RECORD_BYTES, OriginRecord

RECORD = OriginRecord("shoes/é?.jpg", ImageHash("a" * 32), '"v1"', "", 1_700_000_000.5, 1_700_000_000_000_000_000)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store."""
    return LocalStore(tmp_path, (3, 3))


def only_file(store: LocalStore) -> Path:
    """Return the file of the only record."""
    (file,) = (store.root / ".origins").rglob("*.json")
    return file


def test_a_record_is_read_as_it_was_saved(store: LocalStore) -> None:
    """Each path of each origin has its own; a later record replaces the former."""
    records = store.origin_records
    assert records.read("shop-1", RECORD.path) is None
    records.save("shop-1", RECORD)
    assert records.read("shop-1", RECORD.path) == RECORD
    assert records.read("shop-2", RECORD.path) is None
    assert records.read("shop-1", "shoes/é.jpg") is None
    records.remove("shop-1", RECORD.path)
    assert records.read("shop-1", RECORD.path) is None
    records.remove("shop-1", RECORD.path)


def test_records_are_no_images_of_the_store(store: LocalStore) -> None:
    """They lie in a hidden folder, which web servers do not serve; no temporary file remains."""
    store.origin_records.save("shop-1", RECORD)
    assert list(store.walk()) == []
    assert only_file(store).relative_to(store.root).parts[:2] == (".origins", "shop-1")
    assert list(store.incoming.folder.iterdir()) == []


def test_a_path_does_not_name_its_file(store: LocalStore) -> None:
    """So it may have any length and any character."""
    for path in ("a" * 1024, "../../../etc/passwd", "\\x00", "a/b/c"):
        record = OriginRecord(path, RECORD.hash, "", "", 1.0, 1)
        store.origin_records.save("shop-1", record)
        assert store.origin_records.read("shop-1", path) == record
    assert {each.parts[len(store.root.parts)] for each in store.root.rglob("*.json")} == {".origins"}


@pytest.mark.parametrize(
    "change",
    [
        {"path": "other.jpg"}, {"hash": "../../etc"}, {"hash": None}, {"checked_s": "soon"}, {"checked_s": None},
        {"since_ns": "x"}, {"checked_s": 10**400}, {"etag": 5, "hash": "A" * 32},
    ],
)  # fmt: skip
def test_an_unsound_record_is_none(store: LocalStore, change: dict[str, object]) -> None:
    """A record of another path, or with values that are none, is not used."""
    store.origin_records.save("shop-1", RECORD)
    file = only_file(store)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert store.origin_records.read("shop-1", RECORD.path) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b" " * MAXIMUM_RECORD_BYTES + b"{}", b"[" * 9000])
def test_a_broken_file_is_no_record(store: LocalStore, body: bytes) -> None:
    """As a power cut may leave it on a file system that keeps names before contents."""
    store.origin_records.save("shop-1", RECORD)
    only_file(store).write_bytes(body)
    assert store.origin_records.read("shop-1", RECORD.path) is None
