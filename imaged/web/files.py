"""Files of the store as answers: conditional, in ranges, and streamed at the pace of the client."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from io import BytesIO, RawIOBase
from typing import IO

from twisted.web.http import Request

from imaged.core.errors import PreconditionFailedError, RangeNotSatisfiableError, StoreError
from imaged.store.disk import SMALL_BYTES, FileBody, OpenFile
from imaged.web.headers import header, http_date_at
from imaged.web.requests import ImagedRequest

CHUNK_BYTES = 65_536
"""How much of a file is read at a time."""

LASTING = b"public, max-age=31536000, immutable"
"""The Cache-Control of a URL whose bytes never change."""

CHANGING = b"public, max-age=300"
"""That of a preset, which says something else after a change of the settings."""

_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,18})-(?P<last>\d{0,18})|-(?P<suffix>\d{1,18}))\s*", re.ASCII)
_CONDITIONS = frozenset(
    (b"If-Match", b"If-None-Match", b"If-Modified-Since", b"If-Unmodified-Since", b"Range")  # as Twisted spells them
)
_VALIDATORS = b"ETag: %b\r\nLast-Modified: %b\r\nCache-Control: %b\r\n"
_CONTENT = b"%bAccept-Ranges: bytes\r\nContent-Type: %b\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n"


def send_file(
    request: ImagedRequest, opened: OpenFile | FileBody, content_type: str, tag: str = "", caching: bytes = LASTING
) -> None:
    """Answer with a file, and close it at the end. RFC 9110 defines conditions (13.2.2) and ranges (14.2).

    `tag` is a part of the ETag, for a URL that stands for several files. `caching` is the Cache-Control.
    A large file is read a chunk at a time, when the client has taken the previous chunk. A request for several ranges
    gets the whole file, as the RFC allows. Raises PreconditionFailedError and RangeNotSatisfiableError.
    """
    producer: FileProducer | None = None
    try:
        producer = _send(request, opened, content_type, tag, caching)
    finally:
        if producer is None and isinstance(opened, OpenFile):
            opened.file.close()


def _send(
    request: ImagedRequest, opened: OpenFile | FileBody, content_type: str, tag: str, caching: bytes
) -> FileProducer | None:
    """Answer, or begin to; return a producer that sends the rest and then closes the file."""
    size_bytes, modified_s = opened.size_bytes, opened.modified_ns // 1_000_000_000
    etag = f'"{opened.modified_ns:x}-{size_bytes:x}{tag and f"-{tag}"}"'
    lines = _VALIDATORS % (etag.encode(), http_date_at(modified_s), caching)
    is_plain = _is_plain(request)
    if not is_plain and _is_known(request, etag, modified_s):
        request.begin_answer(304, lines)
        request.finish()
        return None
    span = None if is_plain else _range(request, etag, modified_s, size_bytes)
    first, length = span or (0, size_bytes)
    status = 200
    if span is not None:
        if length == 0:
            request.setHeader("Content-Range", f"bytes */{size_bytes}")
            raise RangeNotSatisfiableError(f"the file has {size_bytes} bytes: ask for some of those")
        status = 206
        lines += b"Content-Range: bytes %d-%d/%d\r\n" % (first, first + length - 1, size_bytes)
    lines = _CONTENT % (lines, content_type.encode(), length)
    if request.method == b"HEAD":
        request.begin_answer(status, lines)
        request.finish()
    elif isinstance(opened, FileBody) and length <= SMALL_BYTES:
        request.begin_answer(status, lines, opened.body if span is None else opened.body[first : first + length])
        request.finish()
    else:
        file = BytesIO(opened.body) if isinstance(opened, FileBody) else opened.file
        file.seek(first)
        producer = FileProducer(request, file, length, partial(request.begin_answer, status, lines))
        producer.start()
        return producer
    return None


class FileProducer:
    """Sends the next `left_bytes` of a file to a request, at the pace of its client (IPushProducer).

    `begin` sends the head of the answer and the first chunk.
    """

    def __init__(
        self, request: ImagedRequest, file: IO[bytes] | RawIOBase, left_bytes: int, begin: Callable[[bytes], None]
    ) -> None:
        self._request, self._file, self._left_bytes = request, file, left_bytes
        self._write = begin
        self._paused = False

    def start(self) -> None:
        """Begin to send."""
        self._request.registerProducer(self, streaming=True)
        self.resumeProducing()

    def pauseProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Send no more until the client has taken what was sent."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Send chunks until the transport has enough. End the answer after the last one, or when a read fails."""
        self._paused = False
        while self._left_bytes and not self._paused:
            self._send_chunk()

    def stopProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Close the file: it has been sent, or the client has left."""
        self._left_bytes = 0
        self._file.close()

    def _send_chunk(self) -> None:
        try:
            chunk = self._file.read(min(CHUNK_BYTES, self._left_bytes))
        except OSError as error:
            self._break_off(error.strerror or str(error))
            return
        if not chunk:
            self._break_off("it has become shorter")
            return
        self._left_bytes -= len(chunk)
        self._write(chunk)
        self._write = self._request.write
        if not self._left_bytes:
            self._request.unregisterProducer()
            self.stopProducing()
            self._request.finish()

    def _break_off(self, reason: str) -> None:
        self._request.unregisterProducer()
        self.stopProducing()
        self._request.break_off(StoreError(f"the file cannot be read to its end: {reason}"))


def _is_plain(request: Request) -> bool:
    """Return whether a request wants the whole file in any case, as almost every one does."""
    return _CONDITIONS.isdisjoint([name for name, _ in request.requestHeaders.getAllRawHeaders()])


def _is_known(request: Request, etag: str, modified_s: int) -> bool:
    """Return whether the client has the file already. RFC 9110, 13.2.2, orders the conditions.

    Raises PreconditionFailedError when the file does not meet the condition of the request.
    """
    if (tags := header(request, b"if-match")) is not None:
        as_expected = _matches(tags, etag, weak=False)
    else:
        since_s = _date_s(request, b"if-unmodified-since")
        as_expected = since_s is None or modified_s <= since_s
    if not as_expected:
        raise PreconditionFailedError("the file has changed: request it again")
    if (tags := header(request, b"if-none-match")) is not None:
        return _matches(tags, etag, weak=True)
    since_s = _date_s(request, b"if-modified-since")
    return since_s is not None and modified_s <= since_s


def _range(request: Request, etag: str, modified_s: int, size_bytes: int) -> tuple[int, int] | None:
    """Return the first byte and the length of the range, or None for the whole file. A length of 0 is an error."""
    match = _RANGE.fullmatch(header(request, b"range") or "") if request.method == b"GET" else None
    if match is None:
        return None
    condition = header(request, b"if-range")
    if condition is not None and condition.strip() != etag and _date_s(request, b"if-range") != modified_s:
        return None
    if match["suffix"]:
        length = min(int(match["suffix"]), size_bytes)
        return size_bytes - length, length
    first = int(match["first"])
    last = min(int(match["last"]) if match["last"] else size_bytes - 1, size_bytes - 1)
    if match["last"] and int(match["last"]) < first:
        return None  # an invalid range, which the RFC says to ignore
    return first, max(0, last - first + 1)


def _matches(tags: str, etag: str, *, weak: bool) -> bool:
    given = [tag.strip() for tag in tags.split(",")]
    if weak:
        given = [tag.removeprefix("W/") for tag in given]
    return "*" in given or etag in given


def _date_s(request: Request, name: bytes) -> int | None:
    """Return an HTTP date in seconds since the epoch, or None if the header is missing or invalid.

    The asctime form has no zone and means GMT (RFC 9110, 5.6.7).
    """
    text = header(request, name)
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
