"""Lines and paths, read into items."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.batch.items import Item, read_line, read_path
from imaged.core.errors import MalformedRequestError
from imaged.core.hashes import ImageHash

DIGITS = "f840ee339d264d4bab1b169a653b1a91"
HASH = ImageHash(DIGITS)
URL = "https://example.com/a.jpg"


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (DIGITS, Item(DIGITS, "p", HASH)),
        (DIGITS.upper(), Item(DIGITS.upper(), "p", HASH)),
        (URL, Item(URL, "p", url=URL)),
        (f"{DIGITS} {URL}\n", Item(f"{DIGITS} {URL}", "p", HASH, URL)),
        (f"{URL}\t{DIGITS}\r\n", Item(f"{URL}\t{DIGITS}", "p", HASH, URL)),
        (f"  {DIGITS}   {URL} ", Item(f"{DIGITS}   {URL}", "p", HASH, URL)),
        (f"{DIGITS}\t{URL}\t640\t480", Item(f"{DIGITS}\t{URL}", "p", HASH, URL)),
        (f"{DIGITS}\t\t640\t480", Item(DIGITS, "p", HASH)),
        (f"{DIGITS}\t{URL} answered 500", Item(DIGITS, "p", HASH)),
        ("in/a b.jpg\tno such file", Item("in/a b.jpg", "p", path="in/a b.jpg")),
        ("HTTP://example.com/", Item("HTTP://example.com/", "p", url="HTTP://example.com/")),
    ],
)
def test_a_line_is_read(line: str, item: Item) -> None:
    """Hash and URL in either order, with tabs or spaces; the columns that a batch adds are ignored."""
    assert read_line(line, "p") == item


@pytest.mark.parametrize("line", [f"{DIGITS} {DIGITS}", f"{URL}\t{URL}", f"{DIGITS} {URL} {URL}", "\t", "\tx"])
def test_a_line_is_refused(line: str) -> None:
    """A line that names two pictures or none is refused."""
    with pytest.raises(MalformedRequestError):
        read_line(line, "p")


@given(st.lists(st.integers(1, 31), unique=True), st.sampled_from(["original", "original.jpg"]))
def test_a_path_tells_namespace_and_hash(cuts: list[int], name: str) -> None:
    """The path of an original gives namespace and hash, however the hash is cut."""
    places = [0, *sorted(cuts), 32]
    folders = "/".join(DIGITS[start:end] for start, end in pairwise(places))
    path = f"/public/images/wine/{folders}/{name}"
    assert read_path(path, "p") == Item(path, "wine", HASH, path=path)


@pytest.mark.parametrize(
    "path", ["a.jpg", f"p/{DIGITS}/x300.jpg", f"p/{DIGITS[1:]}/original", f"p/0{DIGITS}/original", "original"]
)
def test_a_path_may_tell_nothing(path: str) -> None:
    """The path of another file, or without a hash in its folders, is only a path."""
    assert read_path(path, "q") == Item(path, "q", path=path)


def test_a_path_without_a_namespace() -> None:
    """A path without a namespace belongs to the given one."""
    assert read_path(f"{DIGITS}/original", "q").image == read_line(DIGITS, "q").image
    assert read_path(f"My Pictures/{DIGITS}/original", "q").namespace == "q"


def test_identities() -> None:
    """The identity is the image where the line gives its hash, else its source."""
    assert {read_line(line, "p").identity for line in (DIGITS, f"{DIGITS} {URL}", f"/p/{DIGITS}/original")} == {
        f"p/{DIGITS}"
    }
    assert read_line(URL, "p").identity != read_line(URL, "q").identity


@given(st.text())
def test_any_line_is_read_or_refused(line: str) -> None:
    """Any line is read or refused, and an item's text gives the same item."""
    try:
        item = read_line(line, "p")
    except MalformedRequestError:
        return
    assert read_line(f"{item.text}\tit failed", "p") == item
