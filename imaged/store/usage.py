"""How much the store holds, for the status page."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from imaged.store.incoming import OWNERS


@dataclass(frozen=True)
class Usage:
    """Files and bytes below the store's root."""

    files: int
    size_bytes: int


def measure(root: Path) -> Usage:
    """Count every file below `root` but those that tell who writes there.

    Takes a while on a large store: worker threads only.
    """
    files = size_bytes = 0
    for folder, folders, names in os.walk(root):
        if OWNERS in folders:
            folders.remove(OWNERS)
        for name in names:
            try:
                size_bytes += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:  # gone since it was listed
                continue
            files += 1
    return Usage(files, size_bytes)


def free(root: Path) -> int:
    """Return the bytes free for the store, whose folder may not have been made yet."""
    while not root.exists():
        root = root.parent
    return shutil.disk_usage(root).free
