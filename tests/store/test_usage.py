"""The status page shows the size of the store."""

from __future__ import annotations

import shutil
from pathlib import Path

from imaged.store.usage import free, measure


def test_every_file_is_counted(tmp_path: Path) -> None:
    """Files count at any depth; a link counts by its own size and is not followed."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "two").write_bytes(b"123")
    (tmp_path / "loop").symlink_to(tmp_path / "a" / "b" / "missing")
    usage = measure(tmp_path)
    assert usage.files == 3
    assert usage.size_bytes == 8 + (tmp_path / "loop").lstat().st_size
    assert 0 < free(tmp_path) <= shutil.disk_usage(tmp_path).total


def test_a_store_that_was_never_made_is_empty(tmp_path: Path) -> None:
    """A store without a folder has the free bytes of its file system."""
    root = tmp_path / "not" / "yet"
    usage = measure(root)
    assert (usage.files, usage.size_bytes) == (0, 0)
    assert free(root) > 0
    assert free(Path("not/yet")) > 0
