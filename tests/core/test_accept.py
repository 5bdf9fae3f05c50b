"""`Accept` headers are read as RFC 9110 says, and a malformed one counts as absent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.accept import BEST, LONGEST, NOTHING_NAMED, Accept, parse_accept

TOKENS = st.text("abcXYZ019!#$&'+.^_`|~-", min_size=1, max_size=8)
RANGES = st.one_of(st.just("*/*"), st.builds("{}/*".format, TOKENS), st.builds("{}/{}".format, TOKENS, TOKENS))
SPACES = st.text(" \t", max_size=2)
QUALITIES = st.integers(0, BEST)


@given(st.lists(st.tuples(RANGES, QUALITIES, SPACES, SPACES), max_size=20))
def test_what_is_written_is_read(elements: list[tuple[str, int, str, str]]) -> None:
    """Every valid list is read, in any case, with any white space and with empty elements."""
    text = ",".join(
        f"{before}{name}{after};{before}q={quality / BEST:.3f}{after}," for name, quality, before, after in elements
    )
    accept = parse_accept(text)
    wanted = {name.lower(): quality for name, quality, _, _ in elements}
    assert {**accept.named, **accept.ranges} == (wanted if len(text) <= LONGEST else {})


@given(st.text(st.characters(max_codepoint=255)))
def test_any_text_is_read(text: str) -> None:
    """No header raises an error, and every quality is within its bounds."""
    accept = parse_accept(text)
    assert all(0 <= quality <= BEST for quality in [*accept.named.values(), *accept.ranges.values()])


@pytest.mark.parametrize(
    "text",
    [
        "webp", "image", "image/", "/webp", "*", "*/webp", "image/webp;q=1.5", "image/webp;q=.5", "image/webp;q=-1",
        "image/webp;q=0.1234", "image/webp;q=", "image/webp;q=high", "image/webp;q", "image/webp q=1", "image/we bp",
        'image/webp;x="', "image/webp image/avif", "image/webp,image/avif;q=2", "image/webp\n", "(image/webp)",
        "text/html, image/gif, *; q=.2, */*; q=.2", "image/webp," + "a/b," * 500, "a/b" + "; " * 900 + "x",
    ],
)  # fmt: skip
def test_a_malformed_header_counts_as_absent(text: str) -> None:
    """Nothing of a header is used that does not have the form of one, or that is too long."""
    assert parse_accept(text) == NOTHING_NAMED


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("image/webp", 1000),
        ("IMAGE/WebP ; Q=0.5", 500),
        ("image/webp;q=0", 0),
        ("image/webp;q=0.001;level=1", 1),
        ("image/*;q=0.3", 300),
        ("*/*;q=0.1", 100),
        ("*/*;q=0.9,image/*;q=0.2", 200),
        ("image/webp;q=0.1,image/*;q=0.9,*/*", 100),
        ("image/webp;level=1", 0),
        ("image/webp;level=1;q=0.5,image/*;q=0.2", 200),
        ('text/html;a="b,c;q=0.1\\"",image/webp;q=0.7', 700),
        ("text/*", 0),
        ("", 0),
        (" , ,, ", 0),
    ],
)
def test_the_most_specific_range_counts(text: str, quality: int) -> None:
    """A type has the quality of its own range, else that of its family, else that of `*/*`."""
    assert parse_accept(text).quality("image/webp") == quality


def test_a_header_that_names_nothing_is_as_good_as_none() -> None:
    """An empty header is valid, and says as little as a missing one."""
    assert parse_accept("") == Accept({}, {}) == NOTHING_NAMED
