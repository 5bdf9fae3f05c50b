"""The temporary store of a batch."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from imaged.batch.scratch import clear, open_scratch
from imaged.core.errors import StoreError
from imaged.core.files import ORIGINAL, parse_file
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store.incoming import LONGEST_S, OWNERS
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))


def test_keys_are_those_of_the_store(tmp_path: Path) -> None:
    """Keys are those of the configured store; files lie where a walk of that store does not find them."""
    local, scratch = LocalStore(tmp_path, (2, 4)), open_scratch(tmp_path, (2, 4))
    assert scratch.key(IMAGE, ORIGINAL) == local.key(IMAGE, ORIGINAL)
    scratch.variants.save(IMAGE, parse("x1.jpg"), b"x")
    assert scratch.has(IMAGE, parse_file("x1.jpg"))
    assert not local.has(IMAGE, parse_file("x1.jpg"))
    assert list(local.walk()) == []
    scratch.close()
    shutil.rmtree(scratch.root)


def test_nothing_is_left(tmp_path: Path) -> None:
    """No file is left of a done image, and no folder after the batch."""
    scratch = open_scratch(tmp_path / "store", ())
    scratch.variants.save(IMAGE, parse("x1.jpg"), b"x")
    clear(scratch, IMAGE)
    assert not (scratch.root / "p" / str(IMAGE.hash)).exists()
    clear(scratch, IMAGE)
    scratch.close()
    shutil.rmtree(scratch.root)
    assert list((tmp_path / "store").iterdir()) == []


def test_the_store_of_a_killed_batch_is_removed(tmp_path: Path) -> None:
    """The next batch removes the store of a killed one, but not that of a running one or a new folder."""
    running = open_scratch(tmp_path, ())
    killed = open_scratch(tmp_path, ())
    killed.variants.save(IMAGE, parse("x1.jpg"), b"x")
    (name,) = (killed.root / OWNERS).iterdir()
    name.rename(tmp_path / "kept")  # closing removes the file, and a kill does not
    killed.incoming.close()
    (tmp_path / "kept").rename(name)
    beginning = tmp_path / ".batch-beginning"
    beginning.mkdir()
    next_one = open_scratch(tmp_path, ())
    assert {path.name for path in tmp_path.iterdir()} == {running.root.name, next_one.root.name, beginning.name}
    running.close()
    next_one.close()


def test_a_store_with_an_unknown_owner_is_removed_when_it_is_old(tmp_path: Path) -> None:
    """Where locks of another machine are not visible, a running batch is known by its recent temporary files."""
    (tmp_path / ".batch-old" / ".incoming").mkdir(parents=True)
    (tmp_path / ".batch-used" / ".incoming").mkdir(parents=True)
    for root in tmp_path.iterdir():
        (root / OWNERS).mkdir()
        (root / OWNERS / f"r{'0' * 12}-1-{'0' * 8}").touch()
    long_ago = time.time() - 2 * LONGEST_S
    os.utime(tmp_path / ".batch-old" / ".incoming", (long_ago, long_ago))
    scratch = open_scratch(tmp_path, ())
    assert {path.name for path in tmp_path.iterdir()} == {".batch-used", scratch.root.name}
    scratch.close()
    shutil.rmtree(scratch.root)


def test_a_store_that_takes_nothing(tmp_path: Path) -> None:
    """The message names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"store\.path"):
        open_scratch(tmp_path / "file", ())
