"""Originals in a folder of this machine: files below it alone, whatever the symbolic links there say.

Each part of a path is opened relative to the folder before it, without following a link. A path that is checked first
and opened later could change in between.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from imaged.core.errors import NotFoundError, SourceFailedError
from imaged.fetch.exchange import Validators
from imaged.fetch.hashing_writer import HashingWriter
from imaged.fetch.sources import Fetched

_PIECE_BYTES = 1 << 18
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO without a writer would block
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EMLINK}
"""Errors of a path that is none below the folder: O_NOFOLLOW gives ELOOP, BSD's EMLINK, a socket ENXIO."""


def copy_changed(folder: str, path: str, temporary: Path, known: Validators, most_bytes: int) -> Fetched:
    """Copy the file at `path` below `folder`, unless it is in the `known` version. Blocking: worker threads only.

    Raises NotFoundError for a path that is no regular file, SourceFailedError when the folder or the file cannot be
    read or changes meanwhile, TooLargeError, and StoreError when the copy cannot be written.
    """
    with _opened(folder, path) as descriptor:
        version = _version(descriptor)
        if version == known.etag:
            return Fetched(None, known)
        with HashingWriter(temporary, most_bytes) as copy:
            copy.expect(os.fstat(descriptor).st_size)
            while piece := _read(descriptor, path):
                copy.write(piece)
            if _version(descriptor) != version:
                raise SourceFailedError(f"{path} changed while it was read: ask again")
            return Fetched(copy.received(), Validators(version))


@contextmanager
def _opened(folder: str, path: str) -> Iterator[int]:
    """Yield the descriptor of a regular file below `folder`."""
    *parents, name = path.encode().split(b"/")  # the names of files are UTF-8, as paths of URLs are, in any locale
    opened: list[int] = []
    try:
        try:
            opened.append(os.open(folder, _FOLDER))
        except OSError as error:
            raise SourceFailedError(f"{folder} cannot be opened: {error.strerror}") from error
        try:
            for parent in parents:
                opened.append(os.open(parent, _FOLDER | os.O_NOFOLLOW, dir_fd=opened[-1]))
            opened.append(os.open(name, _FILE, dir_fd=opened[-1]))
        except OSError as error:
            if error.errno in _NOT_THERE:
                raise NotFoundError("the folder has no such file") from error
            raise SourceFailedError(f"{path} cannot be opened: {error.strerror}") from error
        if not S_ISREG(os.fstat(opened[-1]).st_mode):
            raise NotFoundError("the folder has no such file")
        yield opened[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _version(descriptor: int) -> str:
    status = os.fstat(descriptor)
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'


def _read(descriptor: int, path: str) -> bytes:
    try:
        return os.read(descriptor, _PIECE_BYTES)
    except OSError as error:
        raise SourceFailedError(f"{path} cannot be read: {error.strerror}") from error
