"""Content codings of sources: packed bytes are unpacked, and plain ones stay, whatever the header says.

Some stores keep any Content-Encoding that an uploader sent (`base64`, `aws-chunked`, `utf-8`, `none`), and send plain
bytes; some say gzip after they have unpacked. A picture's first bytes differ from those of any packed file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from imaged.core.errors import SourceFailedError
from imaged.core.formats import FORMATS, SNIFF_BYTES, Formats
from imaged.core.hashes import shorten
from imaged.fetch.hashing_writer import Gunzip

_CODINGS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "dcb", "dcz"}
"""The codings that a web server may apply (IANA's registry); any other word says nothing about the bytes."""

_DEFLATE_CM = 8  # RFC 1950, 2.2


class Unpacking:
    """Turns the bytes of one body into those of the original. `codings` are the values of Content-Encoding."""

    def __init__(self, codings: Sequence[bytes], formats: Formats = FORMATS) -> None:
        self._formats = formats
        words = b",".join(codings).decode("latin-1").lower().split(",")
        self._codings = [word.strip() for word in words if word.strip() in _CODINGS]
        self._head = b""
        self._is_known = not self._codings
        self._inflate: Gunzip | None = None

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the original's bytes in the next chunk. Raises SourceFailedError."""
        if not self._is_known:
            self._head += chunk
            if len(self._head) < SNIFF_BYTES:
                return
            chunk = self._begin()
        yield from self._unpacked(chunk)

    def finish(self) -> Iterator[bytes]:
        """Yield the last bytes. Raises SourceFailedError if some are missing."""
        if not self._is_known and self._head:
            yield from self._unpacked(self._begin())
        if self._inflate is not None:
            yield self._inflate.finish()

    def _begin(self) -> bytes:
        """Choose how to unpack the bytes so far, and return them."""
        head, self._head, self._is_known = self._head, b"", True
        if self._formats.sniff(head) is None:
            if len(self._codings) > 1 or self._codings[0] not in {"gzip", "x-gzip", "deflate"}:
                said = shorten(", ".join(self._codings), 40)
                raise SourceFailedError(f"the source sends a content coding that imaged did not request: {said}")
            self._inflate = Gunzip(_window_bits(head)) if self._codings == ["deflate"] else Gunzip()
        return head

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            yield chunk
        else:
            yield from self._inflate.unpack(chunk)


def _window_bits(head: bytes) -> int:
    """Return zlib's window bits for `deflate`: with a header (RFC 9110, 8.4.1.2), or raw, as some servers send it."""
    has_header = head[0] & 0x0F == _DEFLATE_CM and int.from_bytes(head[:2]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
