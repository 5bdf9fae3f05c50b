"""The size of the store, for the status page."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep, thread_time

from imaged.store.disk import reading
from imaged.store.incoming import OWNERS

UNRESTED_S = 0.05
"""The CPU time after which a count begins to rest: that of a small store does not."""

WORK_S, REST_S = 0.005, 0.02
"""How much CPU time a count then takes between two rests, and how long each is."""


@dataclass(frozen=True)
class Usage:
    """Files and bytes below the store's root."""

    files: int
    size_bytes: int


def measure(root: Path) -> Usage:
    """Count every file below `root` except owners' lock files.

    Takes minutes on a large store: worker threads only. It rests most of the time, so that requests get the GIL.
    """
    files = size_bytes = 0
    folders = [str(root)]
    rests_at_s = thread_time() + UNRESTED_S
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:  # removed since it was listed, or not readable
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != OWNERS:
                        folders.append(entry.path)
                elif not entry.is_dir():
                    with suppress(FileNotFoundError):  # as above
                        size_bytes += entry.stat(follow_symlinks=False).st_size
                        files += 1
        if thread_time() > rests_at_s:
            sleep(REST_S)
            rests_at_s = thread_time() + WORK_S
    return Usage(files, size_bytes)


def free(root: Path) -> int:
    """Return the free bytes of the file system of the store, whose folder need not exist. Raises StoreError."""
    with reading("the file system of the store"):
        while not root.exists():
            root = root.parent
        return shutil.disk_usage(root).free
