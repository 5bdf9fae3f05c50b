"""Bytes that came in: a complete file that waits for its name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReceivedFile:
    """Where the file lies, how long it is, and its digests in hex.

    MD5 names originals, as in image-server 1.x; it protects nothing, SHA-256 does.
    """

    path: Path
    size_bytes: int
    md5: str
    sha256: str


def digest(path: Path) -> ReceivedFile:
    """Hash a file that is there already. Blocking: worker threads only."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            md5.update(chunk)
            sha256.update(chunk)
        return ReceivedFile(path, file.tell(), md5.hexdigest(), sha256.hexdigest())
