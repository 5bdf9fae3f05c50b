"""Files on their way: read as they are sent, written beside their place until they are complete."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from twisted.web.client import FileBodyProducer

from imaged.api import StoreError

from .answers import Answer

_CHUNK_BYTES = 1 << 16


def md5_of(path: Path) -> str:
    """Return the MD5 of a file as a Content-MD5; blocks, and raises OSError."""
    with path.open("rb") as file:
        return _text(hashlib.file_digest(file, _md5))


class Outgoing:
    """A file that is sent, anew for each attempt."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._producer: _Producer | None = None

    def open(self, progress: Callable[[], None]) -> Any:
        """Return what sends the file; raises OSError."""
        # Read in small pieces on the reactor thread, as Twisted does it: local files do not hang.
        self._producer = _Producer(_Watched(self._path.open("rb"), progress), readSize=_CHUNK_BYTES)
        return self._producer

    def close(self) -> None:
        """Close the file if nothing of it was sent; else whoever sends it does that."""
        if self._producer is not None and not self._producer.has_begun:
            self._producer.file.close()


class _Watched:
    """A file that tells of each piece that is read."""

    def __init__(self, file: BinaryIO, progress: Callable[[], None]) -> None:
        self._file = file
        self._progress = progress
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size_bytes: int) -> bytes:
        self._progress()
        return self._file.read(size_bytes)


class _Producer(FileBodyProducer):
    has_begun = False

    def __init__(self, file: _Watched, **options: Any) -> None:
        super().__init__(file, **options)  # type: ignore[no-untyped-call]  # Twisted has no type for it
        self.file = file

    def startProducing(self, consumer: Any) -> Any:  # noqa: N802  # Twisted's name
        self.has_begun = True
        return super().startProducing(consumer)  # type: ignore[no-untyped-call]  # as above


class Incoming:
    """A file that is being written, beside `path`, where it goes when it is complete. Its methods raise OSError."""

    def __init__(self, key: str, path: Path) -> None:
        self._key = key
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self._file = self._temporary.open("xb")
        self._md5 = _md5()
        self._size_bytes = 0

    def take(self, chunk: bytes) -> None:
        """Write a piece; raises StoreError."""
        self._md5.update(chunk)
        self._size_bytes += len(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise StoreError(f"{self._key} cannot be written: {error.strerror}") from error

    def finish(self, answer: Answer) -> None:
        """Put it in its place if it is what Manta says it is; blocks, and raises StoreError otherwise."""
        self._file.close()
        expected, size_bytes = answer.header("Content-MD5"), answer.size_bytes
        if size_bytes is not None and size_bytes != self._size_bytes:
            raise StoreError(f"Manta sends {self._size_bytes} bytes of {self._key} instead of {size_bytes}: try again")
        if expected is not None and expected != _text(self._md5):
            raise StoreError(f"Manta sends other bytes of {self._key} than it has by Content-MD5: try again")
        self._temporary.replace(self._path)

    def discard(self) -> None:
        """Remove what was not finished; blocks."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _text(digest: Any) -> str:
    return base64.b64encode(digest.digest()).decode("ascii")
