"""Tombstones: a small file for each erased picture, which every writer looks for before and after it names a file.

The eraser writes the tombstone first, and then removes files; a writer names its file first, and then looks. So one of
them sees the other, in any process. It also looks before, so that no client gets a file until that is removed. Writers
call `enforce` alone, and `Disk` does that for all of them.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imaged.core.disk_errors import disk_error
from imaged.core.errors import DiskFullError, GoneError, NotFoundError, StoreError
from imaged.core.hashes import ImageHash, ImageId
from imaged.owners import NO_LOCKS
from imaged.store import atomic
from imaged.store.incoming import Incoming
from imaged.store.layout import Layout

ERASED = ".erased"
"""The folder of the tombstones: in the root of a store, and below the prefix of the remote one."""

OLD_PARTITIONS = ((3, 3), (3, 3, 3))
"""How image-server 1.x and imaged cut hashes: a picture may have files of either layout."""

Changing = Callable[[Sequence[Path]], AbstractContextManager[None]]

LOCK = "lock"
"""The empty file that an erasure locks, and a post that lifts a tombstone."""


@dataclass(frozen=True)
class Tombstone:
    """One erasure. `at_ns` is in nanoseconds since the epoch, `by` the name of the token that ordered it.

    `stored_in` is the identity of the remote store that has the tombstone and no file of the picture any more.
    """

    image: ImageId
    at_ns: int
    by: str = ""
    stored_in: str = ""

    @property
    def key(self) -> str:
        """Return the key of the tombstone in a remote store, below the operator's prefix."""
        return f"{key_prefix(self.image)}{self.at_ns}"


def key_prefix(image: ImageId) -> str:
    """Return what the keys of all tombstones of an image begin with."""
    return f"{ERASED}/{_name(image)}-"


def parse_key(key: str) -> Tombstone | None:
    """Read the key of a tombstone below the operator's prefix; return None for another key."""
    name, _, at_ns = key.removeprefix(f"{ERASED}/").rpartition("-")
    image = _parse_name(name)
    return Tombstone(image, int(at_ns)) if image is not None and at_ns.isascii() and at_ns.isdigit() else None


class Tombstones:
    """The tombstones in `folder`, for a store whose files lie as in `layout`. Any thread; all but `find` blocks.

    `incoming` is the folder of the temporary files of that store; `changing` gives the context in which files go.
    """

    def __init__(self, folder: Path, layout: Layout, incoming: Incoming, changing: Changing) -> None:
        self._folder = folder
        self._layouts = [layout] if layout.flat else _layouts(layout)
        self._incoming = incoming
        self._changing = changing

    def find(self, image: ImageId) -> Tombstone | None:
        """Return the tombstone of an image, or None. Raises StoreError when the disk does not tell.

        One that is damaged stands, since its file was written last.
        """
        path = self._folder / _name(image)
        try:
            return _decode(image, path.read_bytes()) or Tombstone(image, path.stat().st_mtime_ns)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"the tombstone of {image} cannot be read: {error.strerror}") from error

    def check(self, image: ImageId) -> None:
        """Raise GoneError when an image is erased."""
        if self.find(image) is not None:
            raise gone(image)

    def prepare(self) -> None:
        """Make the folder and its lock, for which a full disk would have no room; an erasure reports what fails."""
        with suppress(StoreError), self._held():
            pass

    def add(self, tombstone: Tombstone) -> list[str]:
        """Erase an image: write its tombstone durably, then remove its files; return their names.

        Raises StoreError when one of both fails; some files may then be left. A full disk is no reason: the files go
        first, and give the tombstone its room.
        """
        try:
            return self._add(tombstone)
        except DiskFullError:
            with _erasing(tombstone.image):
                removed = self._remove_files(tombstone.image)
            os.sync()  # Btrfs frees the space of removed files only then
            return removed + self._add(tombstone)

    def _add(self, tombstone: Tombstone) -> list[str]:
        with self._held(), _erasing(tombstone.image):
            self._write(tombstone)
            return self._remove_files(tombstone.image)

    def enforce(self, image: ImageId) -> Tombstone | None:
        """Remove the files of an image if it is erased; return its tombstone, or None. Raises StoreError.

        Without a tombstone this is one look at the disk.
        """
        if self.find(image) is None:
            return None
        with self._held(), _erasing(image):  # meanwhile a new post may have lifted it
            tombstone = self.find(image)
            if tombstone is not None:
                self._remove_files(image)
            return tombstone

    def enforce_all(self, tombstones: Iterable[Tombstone]) -> None:
        """Remove the files of images whose tombstones still stand. Raises the first StoreError, at the end."""
        errors: list[StoreError] = []
        for tombstone in tombstones:
            try:
                self.enforce(tombstone.image)
            except StoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def note_stored(self, tombstone: Tombstone, remote: str) -> None:
        """Record that a remote store has a tombstone and no file of the picture, if the tombstone still stands."""
        with self._held(), _erasing(tombstone.image):
            if self.find(tombstone.image) == tombstone:
                self._write(replace(tombstone, stored_in=remote))

    def lift(self, tombstone: Tombstone) -> bool:
        """Remove a tombstone durably, unless a newer one is in its place; return whether it is gone."""
        with self._held(), _erasing(tombstone.image):
            found = self.find(tombstone.image)
            if found is not None and found.at_ns != tombstone.at_ns:
                return False
            if found is not None:
                path = self._folder / _name(tombstone.image)
                with self._changing([path]):
                    path.unlink()
                atomic.fsync_folder(self._folder)
            return True

    def all(self) -> list[Tombstone]:
        """Return all tombstones. Raises StoreError."""
        names: list[str] = []
        with _erasing("pictures"), suppress(FileNotFoundError):
            names = sorted(os.listdir(self._folder))  # noqa: PTH208  # names are what it needs
        images = filter(None, map(_parse_name, names))
        return [found for image in images if (found := self.find(image)) is not None]

    def _write(self, tombstone: Tombstone) -> None:
        values = asdict(tombstone)
        del values["image"]
        temporary, final = self._incoming.new(), self._folder / _name(tombstone.image)
        try:
            atomic.write(temporary, json.dumps(values).encode())
            with self._changing([final]):
                atomic.replace(temporary, final)
        finally:
            atomic.discard(temporary)

    def _remove_files(self, image: ImageId) -> list[str]:
        """Remove all files in the folders of an image, durably, then the folders; return the names of the files."""
        removed: list[str] = []
        for folders in (layout.folders(image) for layout in self._layouts):
            has_folder = False
            with suppress(FileNotFoundError, NotADirectoryError):
                with os.scandir(folders[0]) as entries:
                    paths = [Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False)]
                with self._changing(paths):
                    for path in paths:
                        path.unlink(missing_ok=True)  # the store may forget an output at this moment
                        removed.append(path.name)
                atomic.fsync_folder(folders[0])
                has_folder = True
            with self._changing(folders) if has_folder else nullcontext():  # a start looks at many
                atomic.remove_empty(folders)
        return removed

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Exclude other threads and processes that erase or lift, where the file system has locks."""
        with _erasing("pictures"):
            atomic.make_folders(self._folder)
            try:
                descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                if error.errno != errno.EROFS:
                    raise
                descriptor = os.open(self._folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)  # to find that all is gone
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise StoreError(f"{self._folder} cannot be locked: {error.strerror}") from error
            yield
        finally:
            os.close(descriptor)


def gone(image: ImageId) -> GoneError:
    """Return the error for a picture that was erased."""
    return GoneError(f"{image} was erased")


def prefixes(layout: Layout, image: ImageId) -> list[str]:
    """Return what the keys of the files of an image begin with in a remote store: in this layout, and in old ones."""
    return [each.prefix(image) for each in _layouts(layout)]


def _layouts(layout: Layout) -> list[Layout]:
    return [replace(layout, partitions=each) for each in dict.fromkeys([layout.partitions, *OLD_PARTITIONS])]


@contextmanager
def _erasing(what: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(f"{what} cannot be erased", error) from error


def _name(image: ImageId) -> str:
    return f"{image.namespace}-{image.hash}"


def _parse_name(name: str) -> ImageId | None:
    namespace, _, digits = name.rpartition("-")
    try:
        return ImageId(namespace, ImageHash(digits))
    except NotFoundError:
        return None


def _decode(image: ImageId, body: bytes) -> Tombstone | None:
    """Read a tombstone; return None for one that is damaged."""
    try:
        values = json.loads(body)
        return Tombstone(image, int(values["at_ns"]), str(values["by"]), str(values["stored_in"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
