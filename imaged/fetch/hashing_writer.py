"""Writes originals to disk while they come in: counted, bounded, unpacked and hashed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from imaged.core.disk_errors import disk_error
from imaged.core.errors import SourceFailedError, TooLargeError

_PIECE_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS  # zlib: expect a gzip header
_MEMBER = b"\x1f\x8b"

MAXIMUM_MEMBERS = 1000
"""How many members a gzip body may have: each costs more time than its bytes."""


@dataclass(frozen=True)
class ReceivedFile:
    """A received file, complete and not stored yet: its path, size and digests in hex.

    MD5 names originals, as in image-server 1.x; SHA-256 detects changes.
    """

    path: Path
    size_bytes: int
    md5: str
    sha256: str


class HashingWriter:
    """A new file at `path`, open inside the block. After an error it stays there: the caller removes it.

    Chunks go to the page cache, so a write does not wait for the disk. Raises StoreError if the disk refuses the bytes,
    TooLargeError for more than `maximum_bytes`, and what `counted` raises, which gets the size of each chunk.
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
            raise disk_error("the original cannot be kept", error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def expect(self, size_bytes: int) -> None:
        """Raise TooLargeError if the sender announces too much."""
        if size_bytes > self._maximum_bytes:
            raise TooLargeError(
                f"the original has more than the {self._maximum_bytes} bytes that this server takes: send a smaller one"
            )

    def write(self, chunk: bytes) -> None:
        """Write the next bytes."""
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
            raise disk_error("the original cannot be kept", error) from error

    def write_all(self, chunks: Iterable[bytes]) -> None:
        """Write chunks."""
        for chunk in chunks:
            self.write(chunk)

    def received(self) -> ReceivedFile:
        """Return the file, with the size and digests so far."""
        return ReceivedFile(self._path, self.size_bytes, self._md5.hexdigest(), self._sha256.hexdigest())


@dataclass(frozen=True)
class Download:
    """A download in progress, for the status page."""

    url: str
    intake: HashingWriter

    @property
    def bytes(self) -> int:
        """How many bytes have come so far."""
        return self.intake.size_bytes


class Gunzip:
    """Unpacks a gzip body in small pieces, so a decompression bomb takes no more memory than its packed bytes.

    A body may have several members in sequence (RFC 1952, 2.2); bytes after the last member are ignored.
    `window_bits` are zlib's, for a deflated body without the gzip format.
    """

    def __init__(self, window_bits: int = _GZIP) -> None:
        self._window_bits = window_bits
        self._inflate = zlib.decompressobj(window_bits)
        self._members = 1
        self._after = b""
        self._is_over = False

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the unpacked bytes of the next chunk. Raises SourceFailedError."""
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
        """Return the last few bytes. Raises SourceFailedError if some are missing."""
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


def digest(path: Path) -> ReceivedFile:
    """Hash an existing file. Raises OSError. Blocking: worker threads only."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            md5.update(chunk)
            sha256.update(chunk)
        return ReceivedFile(path, file.tell(), md5.hexdigest(), sha256.hexdigest())
