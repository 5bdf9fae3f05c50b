"""What a store occupies on its disk: counted as a whole from time to time, and kept up to date in between."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR
from threading import Lock

from imaged.store.usage import BLOCK_BYTES, Usage, device_of, measure, never

NOTHING = Usage(0, 0)


class StoreSize:
    """How many files one store has, and the bytes that they and the folders occupy, as `du` counts them. Any thread.

    `usage` is None until the first count has ended. `changed` is what has been added since the start.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._looking = Lock()
        self._watched: dict[str, tuple[int, Usage]] = {}
        self.changed = NOTHING
        self.usage: Usage | None = None

    @property
    def total_bytes(self) -> int | None:
        """The bytes that the store occupies, or None until the first count has ended."""
        usage = self.usage
        return None if usage is None else usage.occupied_bytes

    def add(self, grown: Usage) -> None:
        """Note that files have come, or have grown, by so much. A negative number says that they have gone."""
        with self._lock:
            self.changed += grown
            if self.usage is not None:
                self.usage += grown

    def count(
        self, root: Path, is_stopped: Callable[[], bool] = never, measure: Callable[..., Usage] = measure
    ) -> None:
        """Count the store at `root`. Takes minutes on a large one: worker threads only.

        A file that changes meanwhile was counted before or after that, with equal chances. Raises CountStoppedError
        soon after `is_stopped` has become true.
        """
        before = self.changed
        counted = measure(root, is_stopped)
        with self._lock:
            grown = self.changed - before
            self.usage = counted + Usage(grown.files // 2, grown.size_bytes // 2, grown.occupied_bytes // 2)

    def forget(self) -> None:
        """Forget the count, as when the store moves."""
        with self._lock:
            self.usage = None

    @contextmanager
    def changing(self, paths: Sequence[Path], root: Path) -> Iterator[None]:
        """Note how much these files, and the folders between them and `root`, have grown when the block ends.

        Threads may change one file at the same time, as a save and an erasure do: each block counts what has changed
        since another one has last looked. As in a count, files that are not on the file system of `root` occupy
        nothing.
        """
        watched = list(dict.fromkeys(each for path in paths for each in _below(str(root), str(path))))
        device = device_of(root)
        with self._looking:
            for path in watched:
                blocks, usage = self._watched.get(path) or (0, _look(path, device))
                self._watched[path] = blocks + 1, usage
        try:
            yield
        finally:
            device, grown = device_of(root), NOTHING
            with self._looking:
                for path in watched:
                    (blocks, before), usage = self._watched.pop(path), _look(path, device)
                    if usage != before:  # folders seldom change
                        grown += usage - before
                    if blocks > 1:
                        self._watched[path] = blocks - 1, usage
                self.add(grown)


def _below(root: str, path: str) -> Iterator[str]:
    """Yield a path and the folders between it and `root`. Path objects would take three times as long."""
    yield path
    while (path := path.rpartition("/")[0]) and path != root:
        yield path


def _look(path: str, device: int | None) -> Usage:
    """Return the usage of a file or a folder; NOTHING when there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return NOTHING
    occupied = occupied_bytes(status) if status.st_dev == device else 0
    return Usage(0, 0, occupied) if S_ISDIR(status.st_mode) else Usage(1, status.st_size, occupied)


def occupied_bytes(status: os.stat_result) -> int:
    """Return what a file that has just been written occupies: its blocks, and at least its size.

    ZFS and Btrfs allocate the blocks of a file seconds later, also after an fsync, and until then report fewer.
    """
    size_bytes = 0 if S_ISDIR(status.st_mode) else status.st_size
    return max(status.st_blocks * BLOCK_BYTES, size_bytes)
