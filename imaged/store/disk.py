"""Single files of the store: each is opened, replaced or kept first, and every error names its key."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import FileIO, RawIOBase
from pathlib import Path
from stat import S_ISREG

from imaged.core.disk_errors import disk_error
from imaged.core.errors import ImagedError, StoreError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.store import atomic
from imaged.store.atomic import NewFile
from imaged.store.incoming import Incoming
from imaged.store.layout import Layout
from imaged.store.size import StoreSize
from imaged.store.tombstones import ERASED, Tombstones, gone

SMALL_BYTES = 1 << 17
"""How large a file may be that is read when it is opened."""


@dataclass(frozen=True)
class OpenFile:
    """A file of the store, open for reading; the caller closes it.

    `size_bytes` and `modified_ns` describe the open file, also after another file has taken its name.
    """

    file: RawIOBase
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class FileBody:
    """A file of the store in memory. `modified_ns` is its modification time on disk, in nanoseconds since the epoch."""

    body: bytes
    modified_ns: int

    @property
    def size_bytes(self) -> int:
        """The length of the body."""
        return len(self.body)


@dataclass(frozen=True)
class NewVariant:
    """A variant to write."""

    image: ImageId
    output: Output
    body: FileBody


MODIFIED_STEP_NS = 2_000_000_000
"""Modification times of variants are multiples of this: every file system keeps them, vfat with its steps of two
seconds too. So the ETag, which is made from the time, stays the same when a body is stored."""


def variant_time_ns() -> int:
    """Return the modification time of a variant that is made now, in nanoseconds since the epoch; never the future."""
    now_ns = time.time_ns()
    return now_ns - now_ns % MODIFIED_STEP_NS


class Disk:
    """Reads and writes files of a layout. Writes block and belong on a worker thread; the rest does not.

    Each write counts in `size`, if there is one. Of a picture that has a tombstone, a write keeps nothing, and raises
    GoneError: `erased` is the folder of the tombstones.
    """

    def __init__(
        self, layout: Layout, incoming: Incoming, size: StoreSize | None = None, erased: Path | None = None
    ) -> None:
        self.layout = layout
        self.incoming = incoming
        self.size = size
        self.tombstones = Tombstones(erased or layout.root / ERASED, layout, incoming, self.changing)
        self.touch_after_s = math.inf
        """A file that is opened gets a new access time, if that is older. Without a bound of the store: never."""

    def path(self, image: ImageId, file: ImageFile) -> Path:
        """Return the path of a file, whether it exists or not."""
        return self.layout.path(image, file)

    def key(self, image: ImageId, file: ImageFile) -> str:
        """Return the path of a file's URL, without its first slash."""
        return self.layout.key(image, file)

    def has(self, image: ImageId, file: ImageFile) -> bool:
        """Say whether a file exists. Raises StoreError when the disk does not tell."""
        with reading(self.key(image, file)):
            try:
                return S_ISREG(self.path(image, file).stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return False

    def open(self, image: ImageId, file: ImageFile, path: Path | None = None) -> OpenFile | FileBody | None:
        """Open a file for reading, here or at `path`; read a small one. Return None when it does not exist.

        Raises StoreError when it cannot be read.
        """
        with reading(self.key(image, file)):
            return open_path(str(path or self.path(image, file)), self.touch_after_s)

    def replace(self, image: ImageId, file: ImageFile, body: bytes, modified_ns: int | None = None) -> None:
        """Write a file durably, in place of an older one, with this modification time if any. Raises StoreError."""
        path = self.path(image, file)
        with keeping(self.key(image, file)), self.changing([path]):
            atomic.replace(self.write_temporary(image, file, body, modified_ns), path)
        self._check_erased(image)

    def replace_all(
        self, files: Sequence[NewVariant], give: Callable[[Path, Path], object]
    ) -> list[ImagedError | None]:
        """Write files durably, in place of older ones; return the error of each, or None. `give` is as in `atomic`."""
        new: list[NewFile | StoreError] = []
        for each in files:
            try:
                with keeping(self.key(each.image, each.output)):
                    path = self.path(each.image, each.output)
                    new.append(NewFile(self.incoming.new(), path, each.body.body, each.body.modified_ns))
            except StoreError as error:
                new.append(error)
        written = [each for each in new if isinstance(each, NewFile)]
        images = {file.final: each.image for each, file in zip(files, new, strict=True) if isinstance(file, NewFile)}

        def give_unless_erased(temporary: Path, final: Path) -> None:
            """Name no file of an erased picture: clients could get it until `_check_erased` has removed it."""
            if self._is_erased(images[final]):
                temporary.unlink()
            else:
                give(temporary, final)

        with self.changing([each.final for each in written]):
            errors = atomic.replace_all(written, give_unless_erased)
        gone: dict[ImageId, ImagedError] = {}
        for image in {each.image for each in files}:
            try:
                self._check_erased(image)
            except ImagedError as error:
                gone[image] = error
        return [gone.get(each.image) or self._error(each, file, errors) for each, file in zip(files, new, strict=True)]

    def _error(
        self, file: NewVariant, new: NewFile | StoreError, errors: Mapping[NewFile, OSError]
    ) -> StoreError | None:
        if isinstance(new, StoreError):
            return new
        return _not_kept(self.key(file.image, file.output), errors[new]) if new in errors else None

    def keep_first(self, image: ImageId, file: ImageFile, body: bytes, modified_ns: int | None = None) -> bool:
        """Write a file durably unless it exists, with this modification time if any; return whether it was written.

        Raises StoreError.
        """
        return self.name_first(image, file, self.write_temporary(image, file, body, modified_ns))

    def name_first(self, image: ImageId, file: ImageFile, temporary: Path) -> bool:
        """Keep the file `temporary` durably unless there is one; return whether it was kept. It is gone afterwards.

        Raises StoreError.
        """
        path = self.path(image, file)
        if self._is_erased(image):
            atomic.discard(temporary)
            raise gone(image)
        with keeping(self.key(image, file)), self.changing([path]):
            kept = atomic.keep_first(temporary, path)
        self._check_erased(image)
        return kept

    def _is_erased(self, image: ImageId) -> bool:
        """Say whether a tombstone stands before a file has its name. Where the disk does not tell, say no."""
        with suppress(StoreError):  # `_check_erased` raises it
            return self.tombstones.find(image) is not None
        return False

    def _check_erased(self, image: ImageId) -> None:
        """Look for a tombstone after a file has its name: remove the files of an erased picture, raise GoneError."""
        if self.tombstones.enforce(image) is not None:
            raise gone(image)

    def changing(self, paths: Sequence[Path]) -> AbstractContextManager[None]:
        """Return a context in which these files may grow, shrink, come and go, so that `size` counts it."""
        return nullcontext() if self.size is None else self.size.changing(paths, self.layout.root)

    def write_temporary(self, image: ImageId, file: ImageFile, body: bytes, modified_ns: int | None = None) -> Path:
        """Write `body` to a new temporary file, which the caller removes. Raises StoreError."""
        with keeping(self.key(image, file)):
            temporary = self.incoming.new()
            atomic.write(temporary, body, modified_ns)
        return temporary


def open_path(path: str, touch_after_s: float = math.inf) -> OpenFile | FileBody | None:
    """Open a file for reading, or read one of SMALL_BYTES at most. Return None when it does not exist.

    An access time older than `touch_after_s` becomes the present. Raises OSError when the file cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        status = os.fstat(descriptor)
        if time.time() - status.st_atime > touch_after_s:
            _touch(descriptor, status)
        if status.st_size > SMALL_BYTES or not S_ISREG(status.st_mode):
            file = FileIO(descriptor)
            descriptor = -1
            return OpenFile(file, status.st_size, status.st_mtime_ns)
        return FileBody(os.read(descriptor, status.st_size), status.st_mtime_ns)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _touch(descriptor: int, status: os.stat_result) -> None:
    """Note that a file is used now. It keeps its modification time, of which its ETag is made."""
    with suppress(OSError):  # a file system without such times, or one that may only be read
        os.utime(descriptor, ns=(time.time_ns(), status.st_mtime_ns))


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise StoreError when the block cannot read `what`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what} cannot be read: {error.strerror}") from error


@contextmanager
def keeping(what: str) -> Iterator[None]:
    """Raise StoreError when the block cannot write `what`."""
    try:
        yield
    except OSError as error:
        raise _not_kept(what, error) from error


def _not_kept(what: str, error: OSError) -> StoreError:
    return disk_error(f"{what} cannot be kept", error)
