"""The strict syntax of requests (RFC 9112), checked before Twisted reads them.

Two servers that read the same bytes in two ways let a client smuggle a request past the first one. So imaged refuses
what the RFC lets a recipient repair: folded headers, control characters, codings that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imaged.core.errors import (
    HeadTooLargeError,
    ImagedError,
    MalformedRequestError,
    UnknownCodingError,
    UnknownVersionError,
)

_TCHAR = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
TOKEN = _TCHAR + b"+"
"""RFC 9110, 5.6.2."""

_REQUEST_LINE = re.compile(rb"%s [\x21-\x7e]+ HTTP/(?P<version>[0-9]\.[0-9])" % TOKEN)
LONGEST_NAME_BYTES = 256
"""How long the name of a header may be. Twisted keeps 10,000 names for ever, of clients and of sources."""

_VALUE = rb":[\t\x20-\x7e\x80-\xff]*"
_FIELD_LINE = re.compile(rb"%s{1,%d}%s" % (_TCHAR, LONGEST_NAME_BYTES, _VALUE))
_LONG_NAME = re.compile(TOKEN + _VALUE)
"""RFC 9110, 5.5, allows a recipient to keep other control characters than NUL, CR and LF. imaged does not."""

_HEAD = re.compile(
    rb"(%s) ([\x21-\x7e]+) (HTTP/1\.[01])\r\n((?:%s{1,%d}%s\r\n)+)\r\n" % (TOKEN, _TCHAR, LONGEST_NAME_BYTES, _VALUE)
)
_BODY = re.compile(rb"^(?:content-length|transfer-encoding):", re.IGNORECASE | re.MULTILINE)

_FIRST_BYTE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z\r-]")
_VERSIONS = (b"1.0", b"1.1")
_FOLDS = (b" ", b"\t")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request without a body. `headers` are names and values in their order; `size_bytes` is its length.

    No name and no value has white space around it.
    """

    method: bytes
    target: bytes
    version: bytes
    headers: list[tuple[bytes, bytes]]
    size_bytes: int


def read_head(data: bytes, maximum_bytes: int, maximum_headers: int) -> Head | None:
    """Read the head at the start of `data` if all of it is there, and the checks below accept each of its lines.

    Return None for any other head, and for one that announces a body: these are read line by line.
    """
    match = _HEAD.match(data, 0, maximum_bytes)
    if match is None:
        return None
    method, target, version, fields = match.groups()
    lines = fields[:-2].split(b"\r\n")
    if len(lines) > maximum_headers or _BODY.search(fields):
        return None
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name, value.strip(b" \t")))
    return Head(method, target, version, headers, match.end())


def check_start(data: bytes) -> None:
    """Raise MalformedRequestError if no request begins with the first of these bytes: it may be a TLS handshake."""
    if not _FIRST_BYTE.match(data):
        raise MalformedRequestError("the request is not valid HTTP/1.1: it does not begin with a method")


def check_request_line(line: bytes) -> None:
    """Raise MalformedRequestError for a malformed request line, or UnknownVersionError."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise MalformedRequestError("the request is not valid HTTP/1.1: its first line must be METHOD TARGET HTTP/1.1")
    if match["version"] not in _VERSIONS:
        raise UnknownVersionError("this port speaks HTTP/1.1 and HTTP/1.0: send one of these")


def check_field_line(line: bytes) -> None:
    """Raise MalformedRequestError for a line that is no header, or a continuation of the previous one (obs-fold).

    Raises HeadTooLargeError for a long name.
    """
    if _FIELD_LINE.fullmatch(line):
        return
    if line.startswith(_FOLDS):
        raise MalformedRequestError("the request is not valid HTTP/1.1: a header continues on a second line")
    if _LONG_NAME.fullmatch(line):
        raise HeadTooLargeError(f"the name of a header is longer than {LONGEST_NAME_BYTES} bytes")
    raise MalformedRequestError("the request is not valid HTTP/1.1: a header is not NAME: VALUE in plain characters")


def coding_fault(value: bytes, version: bytes) -> ImagedError | None:
    """Return what is wrong with a Transfer-Encoding (RFC 9112, 6.1 and 6.3), or None for `chunked`."""
    codings = [coding.strip(b" \t").lower() for coding in value.split(b",")]
    if version == b"HTTP/1.0":
        return MalformedRequestError("HTTP/1.0 has no Transfer-Encoding: send a Content-Length")
    if codings == [b"chunked"]:
        return None
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        return MalformedRequestError("the end of the body is unknown: the last Transfer-Encoding must be chunked")
    return UnknownCodingError("the only Transfer-Encoding that imaged reads is chunked: send the body without others")
