"""Decodes chunked bodies (RFC 9112, 7.1) strictly."""

from __future__ import annotations

import re
from collections.abc import Callable

from imaged.core.errors import MalformedRequestError
from imaged.core.http_syntax import TOKEN, check_field_line

LONGEST_LINE_BYTES = 4096
"""How long the line of a chunk's size, or a trailer, may be."""

MAXIMUM_EXTRA_BYTES = 16_384
"""How many bytes of extensions and trailers a body may have. imaged ignores both."""

_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSION = rb";[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|%s))?" % (TOKEN, TOKEN, _QUOTED)
_SIZE_LINE = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,16})(?P<extensions>(?:%s)*)" % _EXTENSION)
"""RFC 9112, 7.1.1. imaged accepts no whitespace behind the size, and no more digits than any real size has."""


class Chunks:
    """Decodes one body, however its bytes are cut. Twisted calls `dataReceived`.

    `begin` gets the size of the body with the next chunk, before the bytes of the chunk come. `take` gets all bytes of
    the body that one read brought. `finish` gets the bytes after the body.
    """

    def __init__(
        self, begin: Callable[[int], None], take: Callable[[bytes], None], finish: Callable[[bytes], None]
    ) -> None:
        self._begin, self._take, self._finish = begin, take, finish
        self._buffer = b""
        self._read: Callable[[int], int | None] = self._size
        self._taken: list[bytes] = []
        self._left_bytes = self._body_bytes = 0
        self._extra_bytes = 0
        self._rest: bytes | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the end of the body has come."""
        return self._rest is not None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Decode bytes. Raises MalformedRequestError, and HeadTooLargeError for a trailer."""
        self._buffer += data
        offset = 0
        while self._rest is None and (end := self._read(offset)) is not None:
            offset = end
        self._buffer = self._buffer[offset:]
        taken, self._taken = b"".join(self._taken), []
        if taken:
            self._take(taken)
        if self._rest is not None:
            self._finish(self._rest)

    def _size(self, offset: int) -> int | None:
        """Read the line with the size of a chunk. Return where the next part begins, or None if bytes are missing."""
        line = self._line(offset)
        if line is None:
            return None
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise MalformedRequestError("the size of a chunk is not valid: send hexadecimal digits")
        self._count(len(match["extensions"]))
        self._left_bytes = int(match["size"], 16)
        self._body_bytes += self._left_bytes
        if self._left_bytes:
            self._begin(self._body_bytes)
        self._read = self._data if self._left_bytes else self._trailer
        return offset + len(line) + 2

    def _data(self, offset: int) -> int | None:
        piece = self._buffer[offset : offset + self._left_bytes]
        self._taken.append(piece)
        self._left_bytes -= len(piece)
        if self._left_bytes:
            return None if not piece else offset + len(piece)
        self._read = self._end
        return offset + len(piece)

    def _end(self, offset: int) -> int | None:
        end = self._buffer[offset : offset + 2]
        if not b"\r\n".startswith(end):
            raise MalformedRequestError("a chunk does not end where its size says")
        if len(end) < len(b"\r\n"):
            return None
        self._read = self._size
        return offset + 2

    def _trailer(self, offset: int) -> int | None:
        line = self._line(offset)
        if line is None:
            return None
        end = offset + len(line) + 2
        if line:
            check_field_line(line)
            self._count(len(line))
        else:
            self._rest = self._buffer[end:]
        return end

    def _line(self, offset: int) -> bytes | None:
        """Return the line at `offset` without its end, or None if the end is missing."""
        end = self._buffer.find(b"\r\n", offset, offset + LONGEST_LINE_BYTES + 2)
        line = self._buffer[offset : end if end >= 0 else None]
        if b"\n" in line or len(line) > LONGEST_LINE_BYTES + 1:
            raise MalformedRequestError("the line of a chunk is too long, or does not end with CR LF")
        return line if end >= 0 else None

    def _count(self, extra_bytes: int) -> None:
        self._extra_bytes += extra_bytes
        if self._extra_bytes > MAXIMUM_EXTRA_BYTES:
            raise MalformedRequestError("the body has too many extensions of chunks and trailers")
