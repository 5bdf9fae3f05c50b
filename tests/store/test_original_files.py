"""The first original under a hash is kept, and stays."""

from __future__ import annotations

import hashlib

import pytest

from imaged.core.errors import HashConflictError, StoreError
from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))


def keep(store: LocalStore, body: bytes) -> None:
    """Keep `body` as the original of `IMAGE`."""
    temporary = store.new_temporary()
    temporary.write_bytes(body)
    try:
        store.originals.keep(IMAGE, temporary, hashlib.sha256(body).hexdigest())
    finally:
        assert not temporary.exists()


def test_the_first_original_is_kept(store: LocalStore) -> None:
    """The same bytes once more are no error."""
    keep(store, b"picture")
    keep(store, b"picture")
    assert store.path(IMAGE, ORIGINAL).read_bytes() == b"picture"


def test_other_bytes_with_the_same_hash_are_a_conflict(store: LocalStore) -> None:
    """MD5 can be forged: the first picture stays what it was."""
    keep(store, b"picture")
    with pytest.raises(HashConflictError, match=str(IMAGE)):
        keep(store, b"forgery")
    assert store.path(IMAGE, ORIGINAL).read_bytes() == b"picture"


def test_an_original_that_cannot_be_compared_is_the_stores_error(store: LocalStore) -> None:
    """Where the original cannot be read for a comparison, keeping one raises StoreError."""
    store.path(IMAGE, ORIGINAL).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be kept"):
        keep(store, b"picture")


def test_an_unreadable_original_is_the_stores_error(store: LocalStore) -> None:
    """An unreadable original is a StoreError and not a missing picture: the operator may repair the disk."""
    store.path(IMAGE, ORIGINAL).mkdir(parents=True)
    with pytest.raises(StoreError, match="original cannot be read: Is a directory"):
        store.open(IMAGE, ORIGINAL)


def test_a_missing_file_is_a_value(store: LocalStore) -> None:
    """A missing file is a value, also where a file has the name of its folder."""
    assert store.open(IMAGE, ORIGINAL) is None
    assert not store.has(IMAGE, ORIGINAL)
    assert store.variants.outputs(IMAGE) == []
    assert store.originals.info(IMAGE) is None
    (store.root / "p").parent.mkdir(parents=True)
    (store.root / "p").write_bytes(b"in the way")
    assert store.open(IMAGE, ORIGINAL) is None
    assert store.variants.outputs(IMAGE) == []
