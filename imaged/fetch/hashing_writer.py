"""Bytes on their way in from the network: counted, bounded, unpacked, hashed and written while they come."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from imaged.core.errors import SourceFailedError, StoreError, TooLargeError
from imaged.fetch.received_file import ReceivedFile

_PIECE_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS  # zlib's own way to say: a gzip header, and none else
_MEMBER = b"\x1f\x8b"

MAXIMUM_MEMBERS = 1000
"""How many members a gzip body may have: each costs more than its bytes do."""


class HashingWriter:
    """The new file at `path`, open while the block runs. Left there after an error: the caller removes it.

    Chunks go to the page cache, so that a write does not wait for the disk. Raises StoreError when the disk does not
    take the bytes, TooLargeError as soon as there are more than `maximum_bytes`, and what `counted` raises for some.
    """

    def __init__(self, path: Path, maximum_bytes: int, counted: Callable[[int], None] = lambda _: None) -> None:
        self._counted = counted
        self._path = path
        self._maximum_bytes = maximum_bytes
        self.size_bytes = 0
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("wb", buffering=0)
        except OSError as error:
            raise _not_kept(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def expect(self, size_bytes: int) -> None:
        """Raise TooLargeError at once when the sender announces too much."""
        if size_bytes > self._maximum_bytes:
            raise TooLargeError(
                f"the original has more than the {self._maximum_bytes} bytes that this server takes: send a smaller one"
            )

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size_bytes += len(chunk)
        self.expect(self.size_bytes)
        self._counted(len(chunk))
        self._md5.update(chunk)
        self._sha256.update(chunk)
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _not_kept(error) from error

    def write_all(self, chunks: Iterable[bytes]) -> None:
        """Take them one by one."""
        for chunk in chunks:
            self.write(chunk)

    def received(self) -> ReceivedFile:
        """Return what has come so far."""
        return ReceivedFile(self._path, self.size_bytes, self._md5.hexdigest(), self._sha256.hexdigest())


@dataclass(frozen=True)
class Download:
    """One original on its way in from a source, for the status page."""

    url: str
    intake: HashingWriter

    @property
    def bytes(self) -> int:
        """How many have come so far."""
        return self.intake.size_bytes


class Gunzip:
    """Unpacks a gzip body in small pieces, so that a decompression bomb costs no more memory than its packed bytes.

    A body may have several members, one after the other (RFC 1952, 2.2); what follows and is none is passed over.
    `window_bits` are zlib's, for what is deflated without the wrapping of gzip.
    """

    def __init__(self, window_bits: int = _GZIP) -> None:
        self._window_bits = window_bits
        self._inflate = zlib.decompressobj(window_bits)
        self._members = 1
        self._after = b""
        self._is_over = False

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the next packed bytes hold. Raises SourceFailedError."""
        try:
            while chunk and not self._is_over:
                if self._inflate.eof:
                    chunk, self._after = self._after + chunk, b""
                    if len(chunk) < len(_MEMBER):
                        self._after = chunk
                        return
                    self._begin_member(chunk)
                    continue
                yield self._inflate.decompress(chunk, _PIECE_BYTES)
                chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error as error:
            raise SourceFailedError("the source sent a broken gzip body") from error

    def finish(self) -> bytes:
        """Return the last bytes, a few at most. Raises SourceFailedError when some are missing."""
        rest = self._inflate.flush()
        if not self._inflate.eof:
            raise SourceFailedError("the source sent half of a gzip body")
        return rest

    def _begin_member(self, chunk: bytes) -> None:
        self._is_over = self._window_bits != _GZIP or not chunk.startswith(_MEMBER)
        self._members += 1
        if self._members > MAXIMUM_MEMBERS:
            raise SourceFailedError("the source sent a gzip body of too many members")
        self._inflate = self._inflate if self._is_over else zlib.decompressobj(self._window_bits)


def _not_kept(error: OSError) -> StoreError:
    return StoreError(f"the original cannot be kept: {error.strerror}; free some space")
