"""A superseded store replaces no variant, and serves its own renders until it is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.daemon.superseded import reinstate, supersede
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
OLD, NEW = parse("x300.jpg"), parse("x301.jpg")


def read(store: LocalStore, image: ImageId = IMAGE) -> bytes:
    """Return what the store serves for OLD."""
    opened = store.variants.open(image, OLD)
    assert opened is not None
    with opened.file:
        return opened.file.read()


@pytest.fixture
def newer(tmp_path: Path) -> LocalStore:
    """Return the store of the newer generation, which has rendered OLD."""
    newer = LocalStore(tmp_path, (3, 3))
    newer.variants.save(IMAGE, OLD, b"newer")
    return newer


def test_a_superseded_store_keeps_its_own_render_apart(tmp_path: Path, newer: LocalStore) -> None:
    """Each store serves its own, and a variant that did not exist is kept for both."""
    store = LocalStore(tmp_path, (3, 3))
    supersede(store)
    store.variants.save(IMAGE, OLD, b"older")
    store.variants.save(IMAGE, NEW, b"first")
    assert (read(store), read(newer)) == (b"older", b"newer")
    assert newer.variants.outputs(IMAGE) == [OLD, NEW]
    supersede(store)
    assert read(store) == b"older"


def test_a_reinstated_store_replaces_variants_again(tmp_path: Path, newer: LocalStore) -> None:
    """The renders that it kept apart are removed."""
    store = LocalStore(tmp_path, (3, 3))
    supersede(store)
    store.variants.save(IMAGE, OLD, b"older")
    reinstate(store)
    assert read(store) == b"newer"
    assert list(store.incoming.folder.iterdir()) == []
    store.variants.save(IMAGE, OLD, b"newest")
    assert read(newer) == b"newest"
