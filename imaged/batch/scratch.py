"""Where a batch with a remote store works: a folder that goes with it, so that millions of images fill no disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imaged.core.errors import StoreError
from imaged.core.files import ORIGINAL, ImageFile
from imaged.core.hashes import ImageId
from imaged.owners import Liveness, liveness
from imaged.store.incoming import LONGEST_S, OWNERS, is_older
from imaged.store.local import INCOMING, LocalStore

PREFIX = ".batch-"


class Scratch(LocalStore):
    """A store of its own below the configured one, on its file system, where folders with a dot are nobody's images.

    Keys are those of the configured store; files lie flat, so that an image leaves no folder behind. The owner of what
    comes in owns all of it: so is a scratch in use told from one that a kill has left.
    """

    def __init__(self, below: Path, partitions: Sequence[int]) -> None:
        try:
            below.mkdir(parents=True, exist_ok=True)
            super().__init__(Path(tempfile.mkdtemp(prefix=PREFIX, dir=below)), partitions)
            self.incoming.new()  # who owns it is known from now on
            _sweep(below, self.root)
        except OSError as error:
            raise StoreError(f"store.path: no files can be kept in {below}: {error.strerror}") from error

    def path(self, image: ImageId, file: ImageFile) -> Path:
        """Return the path of a file, whether it exists or not."""
        return self.root / image.namespace / str(image.hash) / str(file)

    def clear(self, image: ImageId) -> None:
        """Remove all files of an image. Blocking."""
        shutil.rmtree(self.path(image, ORIGINAL).parent, ignore_errors=True)

    def close(self) -> None:
        """Remove everything. Blocking."""
        super().close()
        shutil.rmtree(self.root, ignore_errors=True)


def _sweep(below: Path, own: Path) -> None:
    """Remove what batches that were killed have left, on whatever machine."""
    before_s = own.stat().st_mtime - LONGEST_S
    for root in below.glob(f"{PREFIX}*"):
        if root == own:
            continue
        owners = [liveness(path) for path in root.glob(f"{OWNERS}/*")]
        if Liveness.ALIVE in owners:
            continue
        used = root / INCOMING  # each image has files come in
        if Liveness.GONE in owners or is_older(used if used.exists() else root, before_s):
            shutil.rmtree(root, ignore_errors=True)
