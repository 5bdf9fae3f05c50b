"""Single files of the store: each is opened, replaced or kept first, and every error names its key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from imaged.core.errors import StoreError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.store import atomic
from imaged.store.incoming import Incoming
from imaged.store.layout import Layout


@dataclass(frozen=True)
class OpenFile:
    """A file of the store, open for reading; the caller closes it.

    `size_bytes` and `modified_ns` describe the open file, also after another file has taken its name.
    """

    file: BinaryIO
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Disk:
    """Reads and writes files of a layout. Writes block and belong on a worker thread; `has` and `open` do not."""

    layout: Layout
    incoming: Incoming

    def has(self, image: ImageId, file: ImageFile) -> bool:
        """Say whether the file exists."""
        return self.layout.path(image, file).is_file()

    def open(self, image: ImageId, file: ImageFile, path: Path | None = None) -> OpenFile | None:
        """Open a file for reading, at `path` if it is elsewhere; return None when it does not exist.

        Raises StoreError when it cannot be read.
        """
        try:
            opened = (path or self.layout.path(image, file)).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{self.layout.key(image, file)} cannot be read: {error.strerror}") from error
        status = os.fstat(opened.fileno())
        return OpenFile(opened, status.st_size, status.st_mtime_ns)

    def replace(self, image: ImageId, file: ImageFile, body: bytes) -> None:
        """Write a file durably, in place of an older one. Raises StoreError."""
        temporary = self.write_temporary(image, file, body)
        try:
            atomic.replace(temporary, self.layout.path(image, file))
        except OSError as error:
            raise self.cannot_keep(image, file, error) from error

    def keep_first(self, image: ImageId, file: ImageFile, body: bytes) -> bool:
        """Write a file durably unless it exists; return whether it was written. Raises StoreError."""
        temporary = self.write_temporary(image, file, body)
        try:
            return atomic.keep_first(temporary, self.layout.path(image, file))
        except OSError as error:
            raise self.cannot_keep(image, file, error) from error

    def write_temporary(self, image: ImageId, file: ImageFile, body: bytes) -> Path:
        """Write `body` to a new temporary file, which the caller removes. Raises StoreError."""
        try:
            temporary = self.incoming.new()
            atomic.write(temporary, body)
        except OSError as error:
            raise self.cannot_keep(image, file, error) from error
        return temporary

    def cannot_keep(self, image: ImageId, file: ImageFile, error: OSError) -> StoreError:
        """Return the error for a file that cannot be written."""
        return cannot_keep(self.layout.key(image, file), error)


def cannot_keep(what: str, error: OSError) -> StoreError:
    """Return the error for something that cannot be written."""
    return StoreError(f"{what} cannot be kept: {error.strerror}; free some space or mend the store's permissions")
