"""What a store occupies on its disk: counted as a whole from time to time, and kept up to date in between."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from imaged.store.usage import BLOCK_BYTES, Usage, measure, never


class StoreSize:
    """The bytes that the files and folders of one store occupy, as `du` counts them. Any thread.

    `total_bytes` is None until the first count has ended. `changed_bytes` is how much has been added since the start.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self.changed_bytes = 0
        self.total_bytes: int | None = None

    def add(self, grown_bytes: int) -> None:
        """Note that files have grown by so much, or have shrunk."""
        with self._lock:
            self.changed_bytes += grown_bytes
            if self.total_bytes is not None:
                self.total_bytes += grown_bytes

    def count(
        self, root: Path, is_stopped: Callable[[], bool] = never, measure: Callable[..., Usage] = measure
    ) -> None:
        """Count the store at `root`. Takes minutes on a large one: worker threads only.

        A file that changes meanwhile was counted before or after that, with equal chances. Raises CountStoppedError
        soon after `is_stopped` has become true.
        """
        before = self.changed_bytes
        counted_bytes = measure(root, is_stopped).occupied_bytes
        with self._lock:
            self.total_bytes = counted_bytes + (self.changed_bytes - before) // 2

    def forget(self) -> None:
        """Forget the count, as when the store moves."""
        with self._lock:
            self.total_bytes = None

    @contextmanager
    def changing(self, paths: Sequence[Path]) -> Iterator[None]:
        """Note how much these files, and the folders that are made for them, have grown when the block ends.

        What another thread changes in the same files meanwhile may be missed; the next count has it.
        """
        files = {path: _occupied(path) for path in paths}
        folders = {folder for path, size in files.items() if not size for folder in _missing(path.parent)}
        try:
            yield
        finally:
            grown = sum(_occupied(path) - size for path, size in files.items())
            self.add(grown + sum(map(_occupied, folders)))


def _missing(folder: Path) -> Iterator[Path]:
    """Yield a folder and its parents, as far as they do not exist."""
    while not folder.exists() and folder.parent != folder:
        yield folder
        folder = folder.parent


def _occupied(path: Path) -> int:
    """Return the bytes that a file or folder occupies; 0 when there is none."""
    try:
        return os.lstat(path).st_blocks * BLOCK_BYTES
    except OSError:
        return 0
