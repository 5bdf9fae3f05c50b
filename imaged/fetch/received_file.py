"""A received file, complete and not stored yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReceivedFile:
    """A file's path, size and digests in hex.

    MD5 names originals, as in image-server 1.x; SHA-256 detects changes.
    """

    path: Path
    size_bytes: int
    md5: str
    sha256: str


def digest(path: Path) -> ReceivedFile:
    """Hash an existing file. Blocking: worker threads only."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            md5.update(chunk)
            sha256.update(chunk)
        return ReceivedFile(path, file.tell(), md5.hexdigest(), sha256.hexdigest())
