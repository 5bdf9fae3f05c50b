"""Hashes are read from any path segments and written in one way; namespaces are plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.errors import NotFoundError
from imaged.core.hashes import HASH_DIGITS, ImageHash, ImageId, check_namespace, shorten

DIGITS = "f840ee339d264d4bab1b169a653b1a91"

digits = st.text("0123456789abcdef", min_size=HASH_DIGITS, max_size=HASH_DIGITS)
cuts = st.sets(st.integers(1, HASH_DIGITS - 1)).map(sorted)
partitions = st.lists(st.integers(1, 31), max_size=8).filter(lambda sizes: sum(sizes) < HASH_DIGITS)


def cut(text: str, at: list[int]) -> list[str]:
    """Return `text` in pieces."""
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


@given(digits, cuts)
def test_any_slicing_is_read(text: str, at: list[int]) -> None:
    """A hash is the same however its digits are cut into segments."""
    assert ImageHash.from_segments(cut(text, at)) == ImageHash(text)


@given(digits, partitions)
def test_any_partition_is_read_back(text: str, sizes: list[int]) -> None:
    """A written hash is read again; its segments have the given sizes and all digits."""
    segments = ImageHash(text).partition(sizes).split("/")
    assert ImageHash.from_segments(segments) == ImageHash(text)
    assert [len(segment) for segment in segments] == [*sizes, HASH_DIGITS - sum(sizes)]


def test_the_canonical_forms_are_written() -> None:
    """The default layout, that of image-server 1.x, and one without folders."""
    hash = ImageHash(DIGITS)
    assert hash.partition([3, 3]) == "f84/0ee/339d264d4bab1b169a653b1a91"
    assert hash.partition([3, 3, 3]) == "f84/0ee/339/d264d4bab1b169a653b1a91"
    assert hash.partition([]) == str(hash) == DIGITS


@pytest.mark.parametrize(
    "segments",
    [["", DIGITS], [DIGITS, ""], [DIGITS[:3], "", DIGITS[3:]], [""], []],
    ids=["first", "last", "middle", "only", "none"],
)
def test_empty_segments_are_refused(segments: list[str]) -> None:
    """Two slashes in a row raise NotFoundError."""
    with pytest.raises(NotFoundError):
        ImageHash.from_segments(segments)


@pytest.mark.parametrize(
    "text",
    [DIGITS.upper(), DIGITS[:-1], DIGITS + "0", DIGITS[:-1] + "g", DIGITS + "\n", DIGITS[:-1] + "٣", "", "../" * 11],
)
def test_other_digits_are_refused(text: str) -> None:
    """A hash has 32 lower-case digits: upper case would be a second name for the same picture."""
    with pytest.raises(NotFoundError, match="give 32 lower-case hex digits"):
        ImageHash(text)


def test_a_refused_hash_is_not_echoed_at_length() -> None:
    """The message about ten thousand digits is short."""
    with pytest.raises(NotFoundError) as caught:
        ImageHash("a" * 10_000)
    assert len(str(caught.value)) < 200


@given(st.from_regex(r"[a-z0-9_]{1,64}", fullmatch=True))
def test_plain_words_are_namespaces(name: str) -> None:
    """Lower-case letters, digits and underscores, 64 at most."""
    assert check_namespace(name) == name
    assert str(ImageId(name, ImageHash(DIGITS))) == f"{name}/{DIGITS}"


@pytest.mark.parametrize("name", ["", ".", "..", ".incoming", "a/b", "A", "a-b", "a b", "a\n", "é", "a" * 65])
def test_other_words_are_no_namespaces(name: str) -> None:
    """No namespace can leave the store or hide in it."""
    with pytest.raises(NotFoundError, match="is not a namespace"):
        ImageId(name, ImageHash(DIGITS))


@given(st.text(), st.integers(1, 100))
def test_shortened_text_keeps_its_limit(text: str, limit: int) -> None:
    """Longer text is cut to the limit and ends with an ellipsis."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
