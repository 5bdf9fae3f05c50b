"""Looks for files of a store that were not used for long, and removes them. Blocks: worker threads only."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from time import time

from imaged.core.errors import NotFoundError
from imaged.core.eviction import MOST_FILES
from imaged.core.files import ImageFile, parse_stored_file
from imaged.core.hashes import ImageHash, ImageId
from imaged.store.atomic import remove_empty
from imaged.store.layout import Layout
from imaged.store.size import StoreSize
from imaged.store.usage import BLOCK_BYTES

MOST_TRIED = 64
"""How many folders of a level are tried by name before the level is listed, which may have 4,096."""

CLOCKS_DIFFER_S = 60.0
"""How far the clock of a file system may be ahead of that of this machine."""

StoredFile = tuple[ImageId, ImageFile]


@dataclass(frozen=True)
class FileUse:
    """What a file occupies, and its last use, in seconds since the epoch: its access time, or if later, its write.

    A time in the future, which a wrong clock has set, does not count.
    """

    size_bytes: int
    used_s: float


@dataclass(frozen=True)
class LeastUsed:
    """The files below the root of a layout that is not flat; what is removed counts in `size`."""

    layout: Layout
    size: StoreSize | None = None

    def look(self, ranges: Sequence[tuple[str, str]]) -> dict[StoredFile, FileUse]:
        """Return the files of each image whose hash is in one of the ranges, in every namespace.

        After MOST_FILES, further images are left out. Namespaces on other file systems are, too: removing their files
        would free no space on that of the root.
        """
        found: dict[StoredFile, FileUse] = {}
        for namespace, digits, folder in self._images(ranges):
            with suppress(NotFoundError):  # a folder of something else
                image = ImageId(namespace, ImageHash(digits))
                found.update({(image, file): used for file, used in _files(folder)})
            if len(found) >= MOST_FILES:
                break
        return found

    def _images(self, ranges: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
        """Yield the namespace, the digits and the folder of each image in one of the ranges, each namespace in turn.

        Which namespace comes first changes, so that a sample that ends early is not always of the same one.
        """
        namespaces = self._namespaces()
        random.shuffle(namespaces)
        for namespace in namespaces:
            for first, last in ranges:
                folder = f"{self.layout.root}/{namespace}"
                for digits, each in _within(folder, self.layout.partitions, first, last):
                    yield namespace, digits, each

    def forget_all(self, unused_since_s: Mapping[StoredFile, float], size_bytes: int) -> list[FileUse]:
        """Remove files, one after the other, until `size_bytes` are free; return what they were.

        A file stays that was used after the time that it has in `unused_since_s`.
        """
        forgotten: list[FileUse] = []
        for file, since_s in unused_since_s.items():
            if size_bytes <= 0:
                break
            if (used := self.forget(file, since_s)) is not None:
                forgotten.append(used)
                size_bytes -= used.size_bytes
        return forgotten

    def forget(self, file: StoredFile, used_s: float) -> FileUse | None:
        """Remove a file that was not used since `used_s`; return what it was, or None where it stays.

        A folder that is then empty goes too.
        """
        path, root = self.layout.path(*file), self.layout.root
        with nullcontext() if self.size is None else self.size.changing([path], root):
            try:
                used = _used(os.lstat(path), time())
                if used.used_s > used_s:
                    return None
                path.unlink()
            except OSError:  # it is gone, or may not be removed: another one is
                return None
            remove_empty(self.layout.folders(file[0]))
            return used

    def _namespaces(self) -> list[str]:
        with suppress(OSError), os.scandir(self.layout.root) as entries:
            device = self.layout.root.stat().st_dev
            return [
                each.name
                for each in entries
                if not each.name.startswith(".") and each.is_dir(follow_symlinks=False) and each.stat().st_dev == device
            ]
        return []


def _within(folder: str, sizes: Sequence[int], first: str, last: str, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the digits and the folder of each image below `folder` whose hash is in a range.

    `sizes` says how many digits name each further level of folders. `first` and `last` are the range without the
    digits of `above`, which `folder` has.
    """
    if not sizes:
        for name in _names(folder):
            if first <= name <= last:
                yield above + name, f"{folder}/{name}"
        return
    digits, *deeper = sizes
    low, high, rest = first[:digits], last[:digits], len(first) - digits
    numbers = range(int(low, 16), int(high, 16) + 1)
    for name in [f"{each:0{digits}x}" for each in numbers] if len(numbers) <= MOST_TRIED else _names(folder):
        if low <= name <= high:
            begin = first[digits:] if name == low else "0" * rest
            end = last[digits:] if name == high else "f" * rest
            yield from _within(f"{folder}/{name}", deeper, begin, end, above + name)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # names are what it needs
    except OSError:  # there is none
        return []


def _files(folder: str) -> Iterator[tuple[ImageFile, FileUse]]:
    now_s = time()
    with suppress(OSError), os.scandir(folder) as entries:  # gone since it was listed
        for entry in entries:
            with suppress(NotFoundError, OSError):  # not a file of an image, or gone
                file = parse_stored_file(entry.name)
                if entry.is_file(follow_symlinks=False):
                    yield file, _used(entry.stat(follow_symlinks=False), now_s)


def _used(status: os.stat_result, now_s: float) -> FileUse:
    times_s = [each for each in (status.st_atime, status.st_mtime) if each < now_s + CLOCKS_DIFFER_S]
    return FileUse(status.st_blocks * BLOCK_BYTES, max(times_s, default=0.0))
