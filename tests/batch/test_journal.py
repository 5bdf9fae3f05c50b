"""The journals of a batch, as the next run reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.batch.errors import UsageError
from imaged.batch.journal import Checkpoint, Journal

X1 = {"outputs": ["x1.jpg"]}


def note(path: Path, *identities: str) -> None:
    """Record items as done in one run."""
    checkpoint = Checkpoint(path, X1)
    for each in identities:
        checkpoint.add(each)
    checkpoint.close()


def holds(path: Path, *identities: str) -> list[bool]:
    """Return for each item whether the file records it as done."""
    checkpoint = Checkpoint(path, X1)
    try:
        return [checkpoint.holds(each) for each in identities]
    finally:
        checkpoint.close()


def test_done_items_are_known_to_the_next_run(tmp_path: Path) -> None:
    """Done items are known to all later runs, also those with bytes that are not text."""
    note(tmp_path / "state", "p/1", "p \udcff.png")
    note(tmp_path / "state", "p/2")
    assert holds(tmp_path / "state", "p/1", "p/2", "p \udcff.png", "p/3") == [True, True, True, False]


def test_a_torn_line_is_not_done(tmp_path: Path) -> None:
    """An unfinished last line is not done, and does not damage the next line."""
    path = tmp_path / "state"
    note(path, "p/1", "p/12")
    path.write_bytes(path.read_bytes()[:-2])
    assert holds(path, "p/1", "p/12") == [True, False]
    note(path, "p/2")
    assert holds(path, "p/1", "p/2") == [True, True]


def test_a_long_torn_line_is_cut_off(tmp_path: Path) -> None:
    """A long unfinished line is cut off completely."""
    path = tmp_path / "state"
    note(path, "p/1")
    before = path.read_bytes()
    path.write_bytes(before + b"p https://example.com/a/long/path")
    note(path, "p/2")
    assert path.read_bytes() == before + b"p/2\n"


@pytest.mark.parametrize("size_bytes", [0, 1, 20])
def test_a_torn_beginning(tmp_path: Path, size_bytes: int) -> None:
    """A file with an unfinished header is started again."""
    path = tmp_path / "state"
    note(path)
    path.write_bytes(path.read_bytes()[:size_bytes])
    note(path, "p/1")
    assert holds(path, "p/1") == [True]


def test_another_batch_has_its_own(tmp_path: Path) -> None:
    """The checkpoint of other outputs is refused."""
    Checkpoint(tmp_path / "state", {"a": 1, "b": [2]}).close()
    Checkpoint(tmp_path / "state", {"b": [2], "a": 1}).close()
    for other in (X1, {"a": 1}, {"a": 1, "b": [2], "c": 3}):
        with pytest.raises(UsageError, match="another batch"):
            Checkpoint(tmp_path / "state", other)


@pytest.mark.parametrize("text", ["a\nb", "a", "# imaged\n"])
def test_a_foreign_file_is_left_alone(tmp_path: Path, text: str) -> None:
    """A file that is no checkpoint, such as a list, is refused and unchanged."""
    (tmp_path / "list").write_text(text)
    with pytest.raises(UsageError, match="begins with"):
        Checkpoint(tmp_path / "list", X1)
    assert (tmp_path / "list").read_text() == text


def test_one_batch_at_a_time(tmp_path: Path) -> None:
    """A second process with the same file is refused: it would lose lines."""
    first = Checkpoint(tmp_path / "state", X1)
    with pytest.raises(UsageError, match="another running batch"):
        Checkpoint(tmp_path / "state", X1)
    first.close()
    Checkpoint(tmp_path / "state", X1).close()


def test_a_journal_can_begin_empty(tmp_path: Path) -> None:
    """The file of failures holds only those of the last run."""
    for line in ("a", "b"):
        journal = Journal(tmp_path / "failed", empty=True)
        journal.add(line)
        journal.close()
    assert (tmp_path / "failed").read_text() == "b\n"
