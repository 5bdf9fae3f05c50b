"""Originals and their records. An original cannot be made again, so only an erasure removes one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from imaged.core.errors import HashConflictError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.store import records
from imaged.store.disk import Disk, keeping, reading

_NEVER_NS = 631_152_000_000_000_000
"""The modification time of the record of an original that was not posted here: 1990, which vfat can keep, too."""


@dataclass(frozen=True)
class OriginalFiles:
    """The originals of one store. Writes block and belong on a worker thread."""

    disk: Disk

    def keep(self, image: ImageId, temporary: Path, sha256: str) -> None:
        """Keep an original durably. `temporary` is gone afterwards.

        Raises HashConflictError when the store holds other bytes under this hash, GoneError when it is erased.
        """
        if not self.disk.name_first(image, ORIGINAL, temporary):
            with keeping(self.disk.key(image, ORIGINAL)):
                try:
                    is_same = _sha256(self.disk.path(image, ORIGINAL)) == sha256
                except FileNotFoundError:
                    self.disk.tombstones.check(image)
                    raise
                if not is_same:
                    raise conflict(image)

    def check_conflict(self, image: ImageId, sha256: str) -> None:
        """Raise HashConflictError when the store holds other bytes under this hash. Blocking."""
        with reading(self.disk.key(image, ORIGINAL)):
            try:
                same = _sha256(self.disk.path(image, ORIGINAL)) == sha256
            except FileNotFoundError:
                return
        if not same:
            raise conflict(image)

    def info(self, image: ImageId) -> ImageInfo | None:
        """Return what the record says, or None when there is no complete, sound record."""
        return read_record(image, self.disk.path(image, RECORD))

    def save_info(self, image: ImageId, info: ImageInfo) -> None:
        """Write the record of a new post durably. Its modification time is that of the post."""
        self.disk.replace(image, RECORD, records.encode(info, self.disk.layout.partitions))

    def mend_info(self, image: ImageId, info: ImageInfo) -> None:
        """Write the record durably, with the modification time of the one before; without one, it says no post."""
        posted_ns = self.posted_ns(image)
        self.disk.replace(image, RECORD, records.encode(info, self.disk.layout.partitions), posted_ns or _NEVER_NS)

    def posted_ns(self, image: ImageId) -> int | None:
        """Return when an original was posted here last, in nanoseconds since the epoch; None where that is unknown.

        An original that came back from the remote store was not posted here.
        """
        with reading(self.disk.key(image, RECORD)):
            try:
                modified_ns = self.disk.path(image, RECORD).stat().st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                return None
        return modified_ns if modified_ns > _NEVER_NS else None

    def write_record(self, image: ImageId, info: ImageInfo) -> Path:
        """Write the record to a new temporary file, which the caller removes."""
        return self.disk.write_temporary(image, RECORD, records.encode(info, self.disk.layout.partitions))


def read_record(image: ImageId, path: Path) -> ImageInfo | None:
    """Read the record of an image from any file; return None when it is not a complete, sound record of it."""
    try:
        with path.open("rb") as file:
            return records.decode(file.read(records.MAXIMUM_RECORD_BYTES), image)
    except OSError:
        return None


def conflict(image: ImageId) -> HashConflictError:
    """Return the error for an original whose hash is taken by other bytes."""
    return HashConflictError(f"{image} holds other bytes with the same MD5: this picture cannot be kept too")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
