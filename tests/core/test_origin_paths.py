"""Paths of originals at origins: none leaves its origin."""

from __future__ import annotations

import posixpath
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imaged.core.errors import NotFoundError
from imaged.core.origin_paths import LONGEST_PATH_BYTES, quote_origin_path, read_origin_path

BASE = "https://shop.example/media/"


def read(target: str | bytes) -> str:
    """Read a path as it stands in a request line."""
    return read_origin_path((target if isinstance(target, bytes) else target.encode()).split(b"/"))


@pytest.mark.parametrize(
    ("target", "path", "sent"),
    [
        ("red.jpg", "red.jpg", "red.jpg"),
        ("shoes/2024/red.jpg", "shoes/2024/red.jpg", "shoes/2024/red.jpg"),
        ("caf%C3%A9/no%201.jpg", "café/no 1.jpg", "caf%C3%A9/no%201.jpg"),
        ("a+b@2x,c=1.jpg", "a+b@2x,c=1.jpg", "a%2Bb%402x%2Cc%3D1.jpg"),
        ("100%25.jpg", "100%.jpg", "100%25.jpg"),
        ("100%.jpg", "100%.jpg", "100%25.jpg"),
        ("a%2520b.jpg", "a%20b.jpg", "a%2520b.jpg"),
        ("100%25é.jpg", "100%é.jpg", "100%25%C3%A9.jpg"),
        ("%C3%80%25.jpg", "À%.jpg", "%C3%80%25.jpg"),
        ("a%23b.jpg", "a#b.jpg", "a%23b.jpg"),
        ("a;v=1.jpg", "a;v=1.jpg", "a%3Bv%3D1.jpg"),
        ("..a/b../...c.jpg", "..a/b../...c.jpg", "..a/b../...c.jpg"),
        ("https:/evil.example/a.jpg", "https:/evil.example/a.jpg", "https%3A/evil.example/a.jpg"),
        ("@evil.example/a.jpg", "@evil.example/a.jpg", "%40evil.example/a.jpg"),
        ("C:/a.jpg", "C:/a.jpg", "C%3A/a.jpg"),
    ],
)
def test_a_path_is_decoded_once_and_sent_in_one_form(target: str, path: str, sent: str) -> None:
    """However a client writes a character, the origin gets the same path."""
    assert read(target) == path
    assert quote_origin_path(path) == sent


@pytest.mark.parametrize(
    "target",
    [
        "", "/a.jpg", "a//b.jpg", "a/", "//evil.example/a.jpg", "https://evil.example/a.jpg",
        ".", "..", "../a.jpg", "a/../../b.jpg", "a/./b.jpg", "a/..", "...", ".. /a.jpg", "%20/a.jpg", "..;/a.jpg",
        "..;x=1/a.jpg", "%2e%2e/a.jpg", "%2E%2E/a.jpg", ".%2e/a.jpg", "%2e/a.jpg", "..%3B/a.jpg",
        "%252e%252e/a.jpg", "%25252e%25252e/a.jpg", "%2525252e/a.jpg", "..%253b/a.jpg",
        "a%2fb.jpg", "a%2Fb.jpg", "..%2fa.jpg", "%2f%2fevil.example/a.jpg", "a%252fb.jpg", "a%25252Fb.jpg",
        "a\\b.jpg", "..\\a.jpg", "a%5cb.jpg", "..%5Ca.jpg", "a%255cb.jpg",
        "a%00.jpg", "a%0a.jpg", "a%0d%0aX-Evil:%201/b.jpg", "a%7f.jpg", "a%2500.jpg",
        "a%3Fb=c.jpg", "a%253Fb.jpg",
        "%ff.jpg", "%c0%ae%c0%ae/a.jpg", "%ed%a0%80.jpg", b"\xff.jpg",
        "a" * (LONGEST_PATH_BYTES + 1), "%C3%A9" * (LONGEST_PATH_BYTES // 2 + 1),
    ],
)  # fmt: skip
def test_a_path_that_may_leave_its_origin_is_none(target: str | bytes) -> None:
    """Dots, slashes, blanks, controls and their encodings, up to three times, are refused; so are long paths."""
    with pytest.raises(NotFoundError):
        read(target)


SEGMENT = st.one_of(
    st.text(min_size=1, max_size=8),
    st.sampled_from(["..", ".", "%2e%2e", "%2f", "\\", "a", "%", "%25", "%252e", ";", " ", "é"]),
)


@given(st.lists(SEGMENT, min_size=1, max_size=5).map("/".join))
@example("%25252e%25252e")
def test_no_path_leaves_its_origin_however_often_it_decodes(target: str) -> None:
    """What is sent stays below the base, decoded by the origin up to three times, with slashes of either kind."""
    try:
        path = read(target.encode("utf-8", "surrogatepass"))
    except NotFoundError:
        return
    sent = f"{BASE}{quote_origin_path(path)}"
    parts = urlsplit(sent)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "shop.example", "", "")
    assert sent.isascii()
    assert sent.isprintable()
    decoded = parts.path
    for _ in range(3):
        decoded = unquote(decoded)
        normal = posixpath.normpath(decoded.replace("\\", "/"))
        assert normal.startswith("/media/")
        assert decoded.count("/") == parts.path.count("/")


NAME = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)


@given(st.lists(NAME, min_size=1, max_size=5).map("/".join))
def test_what_is_sent_is_read_as_the_same_path(path: str) -> None:
    """The form that is sent to an origin is one that clients may use, too."""
    try:
        read(quote(path, safe="/"))
    except NotFoundError:
        return
    assert read(quote_origin_path(path)) == path
