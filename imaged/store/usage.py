"""The size of the store, for the status page."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from imaged.store.disk import reading
from imaged.store.incoming import OWNERS


@dataclass(frozen=True)
class Usage:
    """Files and bytes below the store's root."""

    files: int
    size_bytes: int


def measure(root: Path) -> Usage:
    """Count every file below `root` except owners' lock files.

    Takes minutes on a large store: worker threads only.
    """
    files = size_bytes = 0
    for folder, folders, names in os.walk(root):
        if OWNERS in folders:
            folders.remove(OWNERS)
        for name in names:
            try:
                size_bytes += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:  # removed since it was listed
                continue
            files += 1
    return Usage(files, size_bytes)


def free(root: Path) -> int:
    """Return the free bytes of the file system of the store, whose folder need not exist. Raises StoreError."""
    with reading("the file system of the store"):
        while not root.exists():
            root = root.parent
        return shutil.disk_usage(root).free
