"""What a batch notes, and what it makes of it when it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaged.batch.journal import Checkpoint, CheckpointError, Journal

X1 = {"outputs": ["x1.jpg"]}


def note(path: Path, *identities: str) -> None:
    """Note items as done in one run."""
    checkpoint = Checkpoint(path, X1)
    for each in identities:
        checkpoint.add(each)
    checkpoint.flush()
    checkpoint.close()


def holds(path: Path, *identities: str) -> list[bool]:
    """Say of each item whether the file knows it as done."""
    checkpoint = Checkpoint(path, X1)
    try:
        return [checkpoint.holds(each) for each in identities]
    finally:
        checkpoint.close()


def test_what_is_done_is_known_later(tmp_path: Path) -> None:
    """Over as many runs as there are, bytes that are no text included."""
    note(tmp_path / "state", "p/1", "p \udcff.png")
    note(tmp_path / "state", "p/2")
    assert holds(tmp_path / "state", "p/1", "p/2", "p \udcff.png", "p/3") == [True, True, True, False]


def test_a_torn_line_is_not_done(tmp_path: Path) -> None:
    """Nor does it spoil the next one."""
    path = tmp_path / "state"
    note(path, "p/1", "p/12")
    path.write_bytes(path.read_bytes()[:-2])
    assert holds(path, "p/1", "p/12") == [True, False]
    note(path, "p/2")
    assert holds(path, "p/1", "p/2") == [True, True]


def test_a_long_torn_line_is_cut_off(tmp_path: Path) -> None:
    """Nothing of it stays behind what is shorter."""
    path = tmp_path / "state"
    note(path, "p/1")
    before = path.read_bytes()
    path.write_bytes(before + b"p https://example.com/a/long/path")
    note(path, "p/2")
    assert path.read_bytes() == before + b"p/2\n"


@pytest.mark.parametrize("size_bytes", [0, 1, 20])
def test_a_torn_beginning(tmp_path: Path, size_bytes: int) -> None:
    """A kill may come before the first line is whole."""
    path = tmp_path / "state"
    note(path)
    path.write_bytes(path.read_bytes()[:size_bytes])
    note(path, "p/1")
    assert holds(path, "p/1") == [True]


def test_another_batch_has_its_own(tmp_path: Path) -> None:
    """What is done for these outputs is not done for others."""
    Checkpoint(tmp_path / "state", {"a": 1, "b": [2]}).close()
    Checkpoint(tmp_path / "state", {"b": [2], "a": 1}).close()
    for other in (X1, {"a": 1}, {"a": 1, "b": [2], "c": 3}):
        with pytest.raises(CheckpointError, match="another batch"):
            Checkpoint(tmp_path / "state", other)


@pytest.mark.parametrize("text", ["a\nb", "a", "# imaged\n"])
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, text: str) -> None:
    """Such as a list that was named by mistake."""
    (tmp_path / "list").write_text(text)
    with pytest.raises(CheckpointError, match="begins with"):
        Checkpoint(tmp_path / "list", X1)
    assert (tmp_path / "list").read_text() == text


def test_one_batch_at_a_time(tmp_path: Path) -> None:
    """Two shards with one file would lose each other's lines."""
    first = Checkpoint(tmp_path / "state", X1)
    with pytest.raises(CheckpointError, match="another running batch"):
        Checkpoint(tmp_path / "state", X1)
    first.close()
    Checkpoint(tmp_path / "state", X1).close()


def test_a_journal_is_begun_afresh(tmp_path: Path) -> None:
    """Failures are those of the latest run."""
    for line in ("a", "b"):
        journal = Journal(tmp_path / "failed", afresh=True)
        journal.add(line)
        journal.flush()
        journal.flush()
        journal.close()
    assert (tmp_path / "failed").read_text() == "b\n"
