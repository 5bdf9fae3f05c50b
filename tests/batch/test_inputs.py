"""Inputs are pictures or lists, by their content."""

from __future__ import annotations

import os
import threading
from itertools import islice
from pathlib import Path

import pytest

from imaged.batch.errors import UsageError
from imaged.batch.inputs import check, read
from imaged.batch.items import Item, read_line
from imaged.core.errors import MalformedRequestError, StoreError
from imaged.core.formats import FORMATS
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

DIGITS = "f840ee339d264d4bab1b169a653b1a91"


def items(*paths: Path) -> list[object]:
    """Read inputs to their end."""
    return list(read([str(path) for path in paths], "p", FORMATS))


@pytest.mark.parametrize("body", [make_jpeg(), make_png(), make_gif(), make_webp()])
def test_a_picture_is_an_item(tmp_path: Path, body: bytes) -> None:
    """A picture is one item, whatever its name is."""
    (tmp_path / "list.txt").write_bytes(body)
    path = str(tmp_path / "list.txt")
    check(path, FORMATS)
    assert items(tmp_path / "list.txt") == [Item(path, "p", path=path)]


def test_a_list_is_many_items(tmp_path: Path) -> None:
    """Empty lines are ignored, and a bad line does not end the list."""
    (tmp_path / "list").write_bytes(f"{DIGITS}\n\n  \n{DIGITS} {DIGITS}\nä\xff.png".encode("latin-1"))
    first, bad, last = items(tmp_path / "list")
    assert isinstance(bad, tuple)
    assert isinstance(last, Item)
    text, error = bad
    assert first == read_line(DIGITS, "p")
    assert (text, type(error)) == (f"{DIGITS} {DIGITS}", MalformedRequestError)
    assert last.path == "\udce4\udcff.png"


def test_a_list_is_read_lazily(tmp_path: Path) -> None:
    """No more lines are read than are used, so that a list may have any length."""
    path = tmp_path / "list"
    path.write_text(f"{DIGITS}\n" * 100_000)
    entries = read([str(path)], "p", FORMATS)
    assert len(list(islice(entries, 3))) == 3
    path.write_bytes(b"")  # the rest is gone, but for what a buffer holds
    assert len(list(entries)) < 1000


def test_faults_are_found_beforehand(tmp_path: Path) -> None:
    """A missing file, a folder, and a file that is neither picture nor text are faults."""
    (tmp_path / "data").write_bytes(b"\x7fELF\x00\x01")
    (tmp_path / "latin").write_bytes(b"\xe4\xff")
    check("-", FORMATS)
    with pytest.raises(UsageError, match="No such file"):
        check(str(tmp_path / "missing"), FORMATS)
    with pytest.raises(UsageError, match="Is a directory"):
        check(str(tmp_path), FORMATS)
    for name in ("data", "latin"):
        with pytest.raises(UsageError, match="neither a picture"):
            check(str(tmp_path / name), FORMATS)


def test_a_character_may_be_cut_at_the_end_of_the_look(tmp_path: Path) -> None:
    """A list is UTF-8 although the first bytes end inside a character."""
    for spare in range(4):
        (tmp_path / "list").write_bytes(b"x" * spare + "🍷".encode() * 3000)
        check(str(tmp_path / "list"), FORMATS)


def test_an_original_is_a_picture_by_its_path(tmp_path: Path) -> None:
    """A file at the path of an original is a picture, also if its bytes are text."""
    path = tmp_path / "p" / DIGITS / "original"
    path.parent.mkdir(parents=True)
    path.write_text("text")
    (item,) = items(path)
    assert isinstance(item, Item)
    assert str(item.image) == f"p/{DIGITS}"


def test_an_input_that_goes_away(tmp_path: Path) -> None:
    """An input that can no longer be read ends the batch with a reason."""
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        items(tmp_path / "missing")


def test_a_line_without_end_is_one_bad_line(tmp_path: Path) -> None:
    """The rest of a line behind its first 64 KiB is not an item."""
    padding = " " * 70_000
    (tmp_path / "list").write_text(f"{DIGITS}\t{padding}\thttp://10.0.0.1/secret\n{DIGITS}\n")
    bad, last = items(tmp_path / "list")
    assert isinstance(bad, tuple)
    assert isinstance(bad[1], MalformedRequestError)
    assert last == read_line(DIGITS, "p")


def test_the_mark_before_a_list_is_no_part_of_it(tmp_path: Path) -> None:
    """The byte order mark that some editors write (Unicode 16.0, 23.8) is skipped."""
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbf" + DIGITS.encode() + b"\n")
    assert items(tmp_path / "list") == [read_line(DIGITS, "p")]


def test_a_pipe_is_a_list(tmp_path: Path) -> None:
    """A pipe can be read once, so it is not examined beforehand."""
    os.mkfifo(tmp_path / "pipe")
    check(str(tmp_path / "pipe"), FORMATS)
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(f"{DIGITS}\n",))
    writer.start()
    assert items(tmp_path / "pipe") == [read_line(DIGITS, "p")]
    writer.join()
