"""The size of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.store.incoming import OWNERS
from imaged.store.usage import CountStoppedError, Usage, measure


def test_every_file_is_counted_once(tmp_path: Path) -> None:
    """Files at any depth count, and a link to a file as itself; linked folders, unfinished files and locks do not."""
    root = tmp_path / "store"
    for name in ("p/f84/0ee/original", "p/f84/0ee/x300.jpg", "part", ".incoming/new", f"{OWNERS}/lock"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
    link = root / "p" / "link"
    link.symlink_to("f84/0ee/original")
    (root / "q").symlink_to(root / "p", target_is_directory=True)
    usage = measure(root)
    assert (usage.files, usage.size_bytes) == (4, 300 + link.lstat().st_size)


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """The first picture makes its folder."""
    assert measure(tmp_path / "store") == Usage(0, 0)


def test_a_count_ends_when_the_process_does(tmp_path: Path) -> None:
    """A shutdown does not wait for a large store."""
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    asked: list[bool] = []

    def is_stopped() -> bool:
        asked.append(len(asked) == 3)
        return asked[-1]

    with pytest.raises(CountStoppedError):
        measure(tmp_path, is_stopped)
    assert len(asked) == 4
