"""The size of the store, for the status page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep, thread_time

from imaged.core.errors import StoreError
from imaged.store.incoming import INCOMING, OWNERS
from imaged.store.tombstones import LOCK

UNCOUNTED = {INCOMING, OWNERS, LOCK}
"""What is not counted: locks, and unfinished files, which get their names while the count runs, and count then."""

BLOCK_BYTES = 512
"""The unit of `st_blocks` (POSIX leaves it open; Linux and the BSDs have this one)."""

UNRESTED_S = 0.05
"""The CPU time after which a count begins to rest: that of a small store does not."""

WORK_S, REST_S = 0.005, 0.02
"""How much CPU time a count then takes between two rests, and how long each is."""


@dataclass(frozen=True)
class Usage:
    """Files and bytes below the store's root.

    `occupied_bytes` is what files and folders occupy on the file system of the root: whole blocks, as `du` counts.
    """

    files: int
    size_bytes: int
    occupied_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return both together."""
        files, size_bytes = self.files + other.files, self.size_bytes + other.size_bytes
        return Usage(files, size_bytes, self.occupied_bytes + other.occupied_bytes)

    def __sub__(self, other: Usage) -> Usage:
        """Return this without the other."""
        files, size_bytes = self.files - other.files, self.size_bytes - other.size_bytes
        return Usage(files, size_bytes, self.occupied_bytes - other.occupied_bytes)


class CountStoppedError(Exception):
    """A count has not come to its end, as the process shuts down."""


def never() -> bool:
    """Return False: nothing stops the count."""
    return False


def measure(root: Path, is_stopped: Callable[[], bool] = never) -> Usage:
    """Count every file below `root` except unfinished files and locks.

    Takes minutes on a large store: worker threads only. It rests most of the time, so that requests get the GIL. Raises
    CountStoppedError soon after `is_stopped` has become true, as else a shutdown would wait for it.
    """
    files = size_bytes = occupied_bytes = 0
    folders, device = [str(root)], device_of(root)
    rests_at_s = thread_time() + UNRESTED_S
    while folders:
        if is_stopped():
            raise CountStoppedError
        with suppress(OSError), os.scandir(folder := folders.pop()) as entries:  # removed since, or not readable
            status = os.stat(folder)  # noqa: PTH116  # on each folder
            occupied_bytes += status.st_blocks * BLOCK_BYTES if status.st_dev == device else 0
            for entry in entries:
                if entry.name in UNCOUNTED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_dir():
                    with suppress(FileNotFoundError):  # as above
                        status = entry.stat(follow_symlinks=False)
                        size_bytes += status.st_size
                        occupied_bytes += status.st_blocks * BLOCK_BYTES if status.st_dev == device else 0
                        files += 1
        if thread_time() > rests_at_s:
            sleep(REST_S)
            rests_at_s = thread_time() + WORK_S
    return Usage(files, size_bytes, occupied_bytes)


def device_of(root: Path) -> int | None:
    """Return the number of the file system of a folder, or None where that is unknown."""
    try:
        return root.stat().st_dev
    except OSError:
        return None


def free(root: Path) -> int:
    """Return the free bytes of the file system of the store, whose folder need not exist. Raises StoreError."""
    try:
        while not root.exists():
            root = root.parent
        return shutil.disk_usage(root).free
    except OSError as error:
        raise StoreError(f"the file system of the store cannot be read: {error.strerror}") from error
