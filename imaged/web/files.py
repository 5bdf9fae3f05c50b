"""Files of the store as answers: conditional, in ranges, and streamed at the pace of the client."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import BinaryIO

from twisted.web.http import Request, datetimeToString

from imaged.core.errors import ImagedError, PreconditionFailedError, RangeNotSatisfiableError, StoreError
from imaged.store.disk import FileBody, OpenFile
from imaged.web.headers import header
from imaged.web.requests import ImagedRequest

CHUNK_BYTES = 65_536
"""How much of a file is read at a time."""

IMMUTABLE = "public, max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,18})-(?P<last>\d{0,18})|-(?P<suffix>\d{1,18}))\s*", re.ASCII)


def send_file(request: ImagedRequest, opened: OpenFile | FileBody, content_type: str) -> None:
    """Answer with a file, and close it at the end. RFC 9110 defines conditions (13.2.2) and ranges (14.2).

    A file is read a chunk at a time, when the client has taken the previous chunk. A body in memory is sent the same
    way, or at once if it fits into a chunk. A request for several ranges gets the whole file, as the RFC allows. Raises
    PreconditionFailedError and RangeNotSatisfiableError.
    """
    try:
        _send(request, opened, content_type)
    except ImagedError:
        _close(opened)
        raise


def _send(request: ImagedRequest, opened: OpenFile | FileBody, content_type: str) -> None:
    etag = f'"{opened.modified_ns:x}-{opened.size_bytes:x}"'
    modified_s = opened.modified_ns // 1_000_000_000
    request.setHeader("ETag", etag)
    request.setHeader("Last-Modified", datetimeToString(modified_s))
    request.setHeader("Cache-Control", IMMUTABLE)
    if _is_known(request, etag, modified_s):
        _finish_empty(request, opened, 304)
        return
    request.setHeader("Accept-Ranges", "bytes")
    request.setHeader("Content-Type", content_type)
    request.setHeader("X-Content-Type-Options", "nosniff")
    span = _range(request, etag, modified_s, opened.size_bytes)
    first, length = span or (0, opened.size_bytes)
    if span is not None:
        if length == 0:
            request.setHeader("Content-Range", f"bytes */{opened.size_bytes}")
            raise RangeNotSatisfiableError(f"the file has {opened.size_bytes} bytes: ask for some of those")
        request.setResponseCode(206)
        request.setHeader("Content-Range", f"bytes {first}-{first + length - 1}/{opened.size_bytes}")
    request.setHeader("Content-Length", str(length))
    if request.method == b"HEAD":
        _finish_empty(request, opened, request.code)
    elif isinstance(opened, FileBody) and length <= CHUNK_BYTES:
        request.write(opened.body[first : first + length])
        request.finish()
    else:
        file = BytesIO(opened.body) if isinstance(opened, FileBody) else opened.file
        file.seek(first)
        request.registerProducer(FileProducer(request, file, length), streaming=False)


class FileProducer:
    """Writes the next `left_bytes` of a file to a request, a chunk for each call (IPullProducer)."""

    def __init__(self, request: ImagedRequest, file: BinaryIO, left_bytes: int) -> None:
        self._request, self._file, self._left_bytes = request, file, left_bytes

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Write a chunk. End the answer after the last one, or when the file cannot be read."""
        try:
            chunk = self._file.read(min(CHUNK_BYTES, self._left_bytes))
        except OSError as error:
            self._break_off(error.strerror or str(error))
            return
        if not chunk and self._left_bytes:
            self._break_off("it has become shorter")
            return
        self._left_bytes -= len(chunk)
        self._request.write(chunk)
        if not self._left_bytes:
            self._request.unregisterProducer()
            self.stopProducing()
            self._request.finish()

    def stopProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Close the file: it has been sent, or the client has left."""
        self._file.close()

    def _break_off(self, reason: str) -> None:
        self._request.unregisterProducer()
        self.stopProducing()
        for name in (b"ETag", b"Last-Modified", b"Content-Range"):  # the error answer must not have them
            self._request.responseHeaders.removeHeader(name)
        self._request.break_off(StoreError(f"the file cannot be read to its end: {reason}"))


def _finish_empty(request: Request, opened: OpenFile | FileBody, status: int) -> None:
    _close(opened)
    request.setResponseCode(status)
    request.write(b"")
    request.finish()


def _close(opened: OpenFile | FileBody) -> None:
    if isinstance(opened, OpenFile):
        opened.file.close()


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
    try:
        moment = parsedate_to_datetime(header(request, name) or "")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
