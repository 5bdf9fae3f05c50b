"""The store in which a batch with a remote store works: a temporary folder, so that millions of images fill no disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imaged.core.disk_errors import disk_error
from imaged.core.hashes import ImageId
from imaged.owners import Liveness, liveness
from imaged.store.incoming import INCOMING, LONGEST_S, OWNERS, is_older
from imaged.store.local import LocalStore
from imaged.store.tombstones import ERASED

PREFIX = ".batch-"


def open_scratch(below: Path, partitions: Sequence[int]) -> LocalStore:
    """Open an empty store in a new folder of the configured one, whose name begins with a dot. Blocking.

    Its keys are those of the configured store. It is flat, so that an image leaves no folder behind. The owner of its
    incoming files owns all of it, and so a later batch can tell it from the store of a killed one. Raises StoreError.
    """
    try:
        below.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=below))
        store = LocalStore(root, partitions, flat=True, erased=below / ERASED)
        store.incoming.new()  # from now on its owner is known
        _sweep(below, store.root)
    except OSError as error:
        raise disk_error(f"store.path: no files can be kept in {below}", error) from error
    return store


def clear(store: LocalStore, image: ImageId) -> None:
    """Remove all files of an image. Blocking."""
    shutil.rmtree(store.layout.folder(image), ignore_errors=True)


def _sweep(below: Path, own: Path) -> None:
    """Remove the stores of batches that were killed, on any machine."""
    before_s = own.stat().st_mtime - LONGEST_S
    for root in below.glob(f"{PREFIX}*"):
        if root == own:
            continue
        owners = [liveness(path) for path in root.glob(f"{OWNERS}/*")]
        if Liveness.ALIVE in owners:
            continue
        used = root / INCOMING  # a batch writes here for each image
        if Liveness.GONE in owners or is_older(used if used.exists() else root, before_s):
            shutil.rmtree(root, ignore_errors=True)
