"""Walks the folders of a store. All of it blocks: worker threads only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from imaged.core.hashes import ImageId
from imaged.store.layout import Layout


def folders_in(parent: Path) -> list[str]:
    """Return the names of the folders in `parent`, sorted; folders with a dot hold no images."""
    try:
        with os.scandir(parent) as entries:
            return sorted(each.name for each in entries if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []  # it was removed, or this process may not read it


def images_in(layout: Layout) -> Iterator[ImageId]:
    """Yield each image that has a folder, by namespace and hash. Other folders are ignored."""
    for namespace in folders_in(layout.root):
        for segments in _below(layout.root / namespace, layout.depth):
            if (image := layout.image_at(namespace, segments)) is not None:
                yield image


def _below(folder: Path, levels: int) -> Iterator[tuple[str, ...]]:
    if not levels:
        yield ()
        return
    for name in folders_in(folder):
        for rest in _below(folder / name, levels - 1):
            yield (name, *rest)
