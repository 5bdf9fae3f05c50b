"""Local files in transfer: the body of an upload, and the temporary file of a download."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from twisted.web.client import FileBodyProducer

from imaged.api import StoreError

from .responses import Response

_CHUNK_BYTES = 1 << 16


def md5_of(path: Path) -> str:
    """Return the MD5 of a file as Content-MD5 has it. Blocks; raises OSError."""
    with path.open("rb") as file:
        return _base64(hashlib.file_digest(file, _md5))


class FileBody:
    """A file as the body of a request, opened again for each attempt."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._producer: _Producer | None = None

    def open(self, progress: Callable[[], None]) -> Any:
        """Return a producer that sends the file. Raises OSError."""
        # Twisted reads the file in small chunks on the reactor thread: local files do not block for long.
        self._producer = _Producer(_ProgressFile(self._path.open("rb"), progress), readSize=_CHUNK_BYTES)
        return self._producer

    def close(self) -> None:
        """Close the file if none of it was sent; otherwise the producer closes it."""
        if self._producer is not None and not self._producer.has_started:
            self._producer.file.close()


class _ProgressFile:
    """A file that calls `progress` at each read."""

    def __init__(self, file: BinaryIO, progress: Callable[[], None]) -> None:
        self._file = file
        self._progress = progress
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size_bytes: int) -> bytes:
        self._progress()
        return self._file.read(size_bytes)


class _Producer(FileBodyProducer):
    has_started = False

    def __init__(self, file: _ProgressFile, **options: Any) -> None:
        super().__init__(file, **options)  # type: ignore[no-untyped-call]  # Twisted has no type for it
        self.file = file

    def startProducing(self, consumer: Any) -> Any:  # noqa: N802  # Twisted's name
        self.has_started = True
        return super().startProducing(consumer)  # type: ignore[no-untyped-call]  # as above


class DownloadFile:
    """A temporary file beside `path`, to which it is renamed when it is complete. Its methods raise OSError."""

    def __init__(self, key: str, path: Path) -> None:
        self._key = key
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self._file = self._temporary.open("xb")
        self._md5 = _md5()
        self._size_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises StoreError."""
        self._md5.update(chunk)
        self._size_bytes += len(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise StoreError(f"{self._key} cannot be written: {error.strerror}") from error

    def finish(self, response: Response) -> None:
        """Check the size and the MD5, and rename the file. Blocks; raises StoreError if they differ."""
        self._file.close()
        expected, size_bytes = response.header("Content-MD5"), response.size_bytes
        if size_bytes is not None and size_bytes != self._size_bytes:
            raise StoreError(f"Manta sends {self._size_bytes} bytes of {self._key} instead of {size_bytes}: try again")
        if expected is not None and expected != _base64(self._md5):
            raise StoreError(f"the bytes of {self._key} from Manta do not match their Content-MD5: try again")
        self._temporary.replace(self._path)

    def discard(self) -> None:
        """Close the file, and remove it if it is not finished. Blocks."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _base64(digest: Any) -> str:
    return base64.b64encode(digest.digest()).decode("ascii")
