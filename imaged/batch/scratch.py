"""Where a batch with a remote store works: a folder that goes with it, so that millions of images fill no disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imaged.core.errors import StoreError
from imaged.core.hashes import ImageId
from imaged.store.local import ORIGINAL, LocalStore

PREFIX = ".batch-"
_LOCK = "lock"


class Scratch(LocalStore):
    """A store of its own below the configured one, on its file system, where folders with a dot are nobody's images.

    Keys are those of the configured store; files lie flat, so that an image leaves no folder behind. Its lock tells a
    scratch in use from one that a kill has left.
    """

    def __init__(self, below: Path, partitions: Sequence[int]) -> None:
        try:
            below.mkdir(parents=True, exist_ok=True)
            _sweep(below)
            super().__init__(Path(tempfile.mkdtemp(prefix=PREFIX, dir=below)), partitions)
            self._lock = (self.root / "lock.new").open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            (self.root / "lock.new").rename(self.root / _LOCK)  # whoever sees it sees it locked
        except OSError as error:
            raise StoreError(f"store.path: no files can be kept in {below}: {error.strerror}") from error

    def path(self, image: ImageId, name: str) -> Path:
        """Return the path of a file, whether it exists or not."""
        return self.root / image.namespace / str(image.hash) / name

    def clear(self, image: ImageId) -> None:
        """Remove all files of an image. Blocking."""
        shutil.rmtree(self.path(image, ORIGINAL).parent, ignore_errors=True)

    def close(self) -> None:
        """Remove everything. Blocking."""
        super().close()
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock.close()


def _sweep(below: Path) -> None:
    """Remove what batches that were killed have left, on whatever machine; those that run hold their lock."""
    for path in below.glob(f"{PREFIX}*/{_LOCK}"):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            continue  # it has just been removed, or is not ours
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(descriptor)
