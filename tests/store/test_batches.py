"""Files that are written together are as durable as each alone, and fail alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaged.store import atomic
from imaged.store.atomic import NewFile
from imaged.store.incoming import Incoming

TIME_NS = 1_600_000_000_000_000_000


@pytest.fixture
def incoming(tmp_path: Path) -> Incoming:
    """Return the folder of temporary files."""
    return Incoming(tmp_path / "incoming")


def files(incoming: Incoming, *finals: Path) -> list[NewFile]:
    """Return new files of these names, each with its own name as its body."""
    return [NewFile(incoming.new(), final, final.name.encode(), TIME_NS) for final in finals]


def test_all_bytes_are_synced_before_the_first_name(
    incoming: Incoming, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then each folder is, once: a power cut leaves no half file under a final name."""
    real, synced = os.fsync, list[tuple[str, int]]()
    finals = [tmp_path / "a" / "1", tmp_path / "a" / "2", tmp_path / "b" / "1"]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()

    def record(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(("file" if path.is_file() else path.name, sum(final.exists() for final in finals)))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    assert atomic.replace_all(files(incoming, *finals)) == {}
    assert synced == [("file", 0)] * 3 + [("a", 3), ("b", 3)]
    assert [final.read_bytes() for final in finals] == [b"1", b"2", b"1"]
    assert {os.stat(final).st_mtime_ns for final in finals} == {TIME_NS}  # noqa: PTH116  # with nanoseconds
    assert list(incoming.folder.iterdir()) == []


def test_new_folders_are_made(incoming: Incoming, tmp_path: Path) -> None:
    """The first files of two pictures need them."""
    finals = [tmp_path / "p" / "a" / "1", tmp_path / "p" / "b" / "1"]
    assert atomic.replace_all(files(incoming, *finals)) == {}
    assert [final.read_bytes() for final in finals] == [b"1", b"1"]


def test_a_file_that_fails_leaves_the_others(incoming: Incoming, tmp_path: Path) -> None:
    """It keeps its old file, and no temporary one stays."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    bad.mkdir()
    new = files(incoming, bad, good)
    errors = atomic.replace_all(new)
    assert list(errors) == [new[0]]
    assert isinstance(errors[new[0]], IsADirectoryError)
    assert good.read_bytes() == b"good"
    assert list(incoming.folder.iterdir()) == []


def test_a_file_on_another_file_system_has_its_time(incoming: Incoming, other_file_system: Path) -> None:
    """Its copy there keeps it, and the first temporary file is gone, too."""
    assert atomic.replace_all(files(incoming, other_file_system / "final")) == {}
    assert os.stat(other_file_system / "final").st_mtime_ns == TIME_NS  # noqa: PTH116  # with nanoseconds
    assert list(incoming.folder.iterdir()) == []


def test_a_folder_that_is_removed_meanwhile_is_made_again(incoming: Incoming, tmp_path: Path) -> None:
    """Another process has found it empty, after it was made and before the file had its name."""
    final, removals = tmp_path / "p" / "a" / "1", list[Path]()

    def remove_then_give(temporary: Path, path: Path) -> None:
        if path.parent.exists() and len(removals) < 3:
            removals.append(path.parent)
            path.parent.rmdir()
            path.parent.parent.rmdir()
        temporary.replace(path)

    assert atomic.replace_all(files(incoming, final), remove_then_give) == {}
    assert (final.read_bytes(), len(removals)) == (b"1", 3)
