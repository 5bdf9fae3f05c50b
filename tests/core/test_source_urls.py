"""Source URLs are sent as given, or refused with a reason; so are the URLs of redirects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.errors import ImagedError, MalformedRequestError, SourceFailedError, SourceForbiddenError
from imaged.core.source_urls import MAXIMUM_URL_CHARACTERS, SourceUrl

TAKEN = {
    "http://example.com": "http://example.com/",
    "HTTP://Example.COM:80/A.jpg": "http://example.com/A.jpg",
    "https://example.com:443/a": "https://example.com/a",
    "https://example.com:8443/a?b=c&d=%2F+;e#f": "https://example.com:8443/a?b=c&d=%2F+;e",
    "http://example.com?x=1": "http://example.com/?x=1",
    "http://example.com//a//b.jpg": "http://example.com//a//b.jpg",
    "http://example.com/a/../b|c^d": "http://example.com/a/../b|c^d",
    "http://bücher.example/ä.jpg?ö": "http://xn--bcher-kva.example/%C3%A4.jpg?%C3%B6",
    "http://my_bucket.example./a": "http://my_bucket.example./a",
    "http://r3---sn.example/a": "http://r3---sn.example/a",
    "http://[::FFFF:127.0.0.1]:8080/a": "http://[::ffff:127.0.0.1]:8080/a",
    "http://0x7f.1/a": "http://0x7f.1/a",
    "http://example.com/a b.jpg?c d": "http://example.com/a%20b.jpg?c%20d",
    "http://example.com/a%20b%": "http://example.com/a%20b%",
    "http://example.com/a\xa0b\x85": "http://example.com/a%C2%A0b%C2%85",
    " \thttp://example.com/a\r\n": "http://example.com/a",
    "http://example.com/a\r\n  b\tc": "http://example.com/a%20%20bc",
    "http://example.com/a?": "http://example.com/a?",
    "http://example.com?": "http://example.com/?",
    "http://example.com:/a": "http://example.com/a",
    "http://example.com#a?b": "http://example.com/",
    "http://example.com/a?b?c/../d": "http://example.com/a?b?c/../d",
    "http://example.com/a\\b": "http://example.com/a\\b",
    "https://BÜCHER.example:443/": "https://xn--bcher-kva.example/",
}
REFUSED = [
    "", "a.jpg", "//example.com/a", "ftp://example.com/a", "file:///etc/passwd", "javascript:1", "http:", "http://",
    "http:///a", "http://:80/a", "http://user@example.com/", "http://user:secret@example.com/", "http://@example.com/",
    "http://example.com:0/", "http://example.com:65536/", "http://example.com:a/", "http://example.com:-1/",
    "http://exa mple.com/", "http://exam\xa0ple.com/", "http:/example.com/a", "http:example.com/a",
    "http//example.com/", "http://example.com/\x00", "\x00http://example.com/", "http://example.com/\x7f",
    "http://example.com\\/a",
    "http://example.com\\@evil.example/", "http://a\\b/", "http://a..b/", "http://.a/",
    f"http://{'a' * 64}.example/", f"http://{'a.' * 130}example/", "http://[fe80::1%25eth0]/",
    "http://[v1.x]/", "http://[1.2.3.4]/", "http://[::1]x/", "http://[::1", "http://x[::1]/", "http://a:b:80/",
    "http://exa%6dple.com/", "http://☃\u2028/", "http://example.com/\ud800",
    "http://\ud800/", f"http://example.com/{'a' * MAXIMUM_URL_CHARACTERS}",
]  # fmt: skip


@pytest.mark.parametrize("text", TAKEN)
def test_urls_are_taken_as_they_are(text: str) -> None:
    """Only what HTTP cannot carry is rewritten: a signed URL keeps its signature."""
    assert str(SourceUrl.parse(text)) == TAKEN[text]


@pytest.mark.parametrize("text", REFUSED)
def test_other_texts_are_malformed_requests(text: str) -> None:
    """A URL that imaged does not fetch is the client's fault."""
    with pytest.raises(MalformedRequestError):
        SourceUrl.parse(text)


@pytest.mark.parametrize("text", ["\u00ad" * 300 + "a.example", "\u0660" * 7_900, "\u30fb" * 7_900 + "\u6f22"])
def test_a_long_host_is_not_converted(text: str) -> None:
    """IDNA leaves some characters out of the first, and takes seconds for the others in its oldest release."""
    with pytest.raises(MalformedRequestError, match="is no host"):
        SourceUrl.parse(f"http://{text}/a.jpg")


def test_a_password_is_not_repeated() -> None:
    """An error message shows no query, since messages go to logs."""
    with pytest.raises(MalformedRequestError) as caught:
        SourceUrl.parse("http://user:secret@example.com/")
    assert "secret" not in str(caught.value)


@given(st.text() | st.text("htps:/@[]%.?#\\0a \t\u2028\ud800").map("http://".__add__))
def test_any_text_is_taken_or_malformed(text: str) -> None:
    """No text raises another error, and an accepted URL is read as the same again and is safe to send."""
    try:
        url = SourceUrl.parse(text)
    except MalformedRequestError:
        return
    assert SourceUrl.parse(str(url)) == url
    assert all(0x20 < ord(character) < 0x7F for character in url.netloc + url.target)


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        (b"https://other.example/b", "https://other.example/b"),
        (b"//other.example/b", "http://other.example/b"),
        (b"/b?c", "http://example.com:8080/b?c"),
        (b"b", "http://example.com:8080/a/b"),
        ("/\N{SNOWMAN}".encode(), "http://example.com:8080/%E2%98%83"),
        (b"/\xe4.jpg?\xfc=%20", "http://example.com:8080/%E4.jpg?%FC=%20"),  # Latin-1, as PHP sends it
        (b"/a b.jpg", "http://example.com:8080/a%20b.jpg"),
        (b" /b\t", "http://example.com:8080/b"),
        (b"HTTPS://OTHER.example/B", "https://other.example/B"),
        ("http://bücher.example/ä".encode(), "http://xn--bcher-kva.example/%C3%A4"),
        (b"http://other.example:80", "http://other.example/"),
        (b"//other.example:8081?q", "http://other.example:8081/?q"),
        (b"?v=2", "http://example.com:8080/a/x?v=2"),
        (b"?", "http://example.com:8080/a/x?"),
        (b"#top", "http://example.com:8080/a/x?y"),
        (b"b#c?d", "http://example.com:8080/a/b"),
        (b"../../../b/./c/..", "http://example.com:8080/b/"),
        (b"/b/../c//d", "http://example.com:8080/c//d"),
        (b".", "http://example.com:8080/a/"),
        (b"b?c/../d", "http://example.com:8080/a/b?c/../d"),
        (b"http://other.example/b/../c", "http://other.example/b/../c"),
    ],
)
def test_a_redirect_leads_on(location: bytes, leads: str) -> None:
    """A relative reference is relative to the URL that answered (RFC 9110, 10.2.2)."""
    assert str(SourceUrl.parse("http://example.com:8080/a/x?y").follow(location)) == leads


@pytest.mark.parametrize(
    ("location", "error"),
    [
        (b"file:///etc/passwd", SourceForbiddenError),
        (b"ftp://example.com/a", SourceForbiddenError),
        (b"gopher://example.com/", SourceForbiddenError),
        (b"http://[::1", SourceFailedError),
        (b"http://a:99999/", SourceFailedError),
        (b"/a\x01b", SourceFailedError),
        (b"http://b\xfccher.example/", SourceFailedError),
        (b"//user@example.com/", SourceFailedError),
        (b"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP", SourceForbiddenError),
        (b"http://user@example.com/", SourceFailedError),
    ],
)
def test_a_redirect_to_elsewhere_is_refused(location: bytes, error: type[ImagedError]) -> None:
    """Another scheme is forbidden; a broken URL is the source's fault, not the client's."""
    with pytest.raises(error):
        SourceUrl.parse("http://example.com/").follow(location)
