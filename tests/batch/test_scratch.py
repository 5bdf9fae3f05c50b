"""Where a batch works."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.batch.scratch import Scratch
from imaged.core.errors import StoreError
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.store.local import LocalStore

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))


def test_keys_are_those_of_the_store(tmp_path: Path) -> None:
    """Files lie elsewhere, out of the sight of whoever walks the store."""
    local, scratch = LocalStore(tmp_path, (2, 4)), Scratch(tmp_path, (2, 4))
    assert scratch.key(IMAGE, "original") == local.key(IMAGE, "original")
    scratch.save_output(IMAGE, parse("x1.jpg"), b"x")
    assert scratch.has(IMAGE, "x1.jpg")
    assert not local.has(IMAGE, "x1.jpg")
    assert list(local.files()) == []
    scratch.close()


def test_nothing_is_left(tmp_path: Path) -> None:
    """Of an image when it is done, of the whole at the end."""
    scratch = Scratch(tmp_path / "store", ())
    scratch.save_output(IMAGE, parse("x1.jpg"), b"x")
    scratch.clear(IMAGE)
    assert not (scratch.root / "p" / str(IMAGE.hash)).exists()
    scratch.clear(IMAGE)
    scratch.close()
    assert list((tmp_path / "store").iterdir()) == []


def test_what_a_kill_has_left_is_removed(tmp_path: Path) -> None:
    """By the next batch; one that runs is left alone, and so is a folder that is just being made."""
    running = Scratch(tmp_path, ())
    left = tmp_path / ".batch-left"
    (left / "p").mkdir(parents=True)
    (left / "lock").touch()
    beginning = tmp_path / ".batch-beginning"
    beginning.mkdir()
    next_one = Scratch(tmp_path, ())
    assert {path.name for path in tmp_path.iterdir()} == {running.root.name, next_one.root.name, beginning.name}
    running.close()
    next_one.close()


def test_a_store_that_takes_nothing(tmp_path: Path) -> None:
    """The message names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"store\.path"):
        Scratch(tmp_path / "file", ())
