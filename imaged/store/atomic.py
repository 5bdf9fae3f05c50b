"""Files that appear whole or not at all, and stay after a power cut.

The steps are those that file systems ask for: write to another name, fsync the file, rename or link it to its own
name, fsync the folder (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). All of it blocks: worker
threads only. Where a file system has no hard links, a lock and a look stand in; where a final name is on another file
system, a copy there does.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imaged.owners import NO_LOCKS

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK}
"""What link fails with on exFAT, vfat, SMB, and FUSE without it."""

NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EISDIR, errno.EACCES}
"""What the fsync of a folder fails with where there is none: names are then as safe as the file system makes them."""

_naming = threading.Lock()


def write(path: Path, body: bytes) -> None:
    """Write `body` to the new file `path`; remove it again when that fails, as on a full disk."""
    try:
        with path.open("xb") as file:
            file.write(body)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace(temporary: Path, final: Path) -> None:
    """Give the file its final name, durably, in place of what had that name; `temporary` is gone afterwards."""
    try:
        fsync(temporary)
        make_folders(final.parent)
        _give(temporary, final, Path.replace)
        _fsync_folder(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def keep_first(temporary: Path, final: Path) -> bool:
    """Give the file its final name, durably, unless a file has it already; return whether it was given.

    `temporary` is gone afterwards either way.
    """
    try:
        fsync(temporary)
        make_folders(final.parent)
        try:
            _give(temporary, final, _name_first)
        except FileExistsError:
            return False
        _fsync_folder(final.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


def discard(temporary: Path) -> None:
    """Remove a file that is not to be kept, if it is there.

    Where that fails, as on a read-only file system, it must not hide why the file is not kept; a later start sweeps.
    """
    with suppress(OSError):
        temporary.unlink()


def make_folders(folder: Path) -> None:
    """Make a folder and its parents; each new one is fsynced into the one above it."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    _fsync_folder(folder.parent)


def fsync(path: Path) -> None:
    """Have the disk keep what was written to a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_folder(folder: Path) -> None:
    try:
        fsync(folder)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def _give(temporary: Path, final: Path, give: Callable[[Path, Path], object]) -> None:
    """Give the file its name; from a copy on the final name's own file system when that is another."""
    try:
        give(temporary, final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = _mount_of(final.parent) / temporary.parent.name / temporary.name
        near.parent.mkdir(exist_ok=True)
        try:
            shutil.copyfile(temporary, near)
            fsync(near)
            give(near, final)
        finally:
            near.unlink(missing_ok=True)


def _mount_of(folder: Path) -> Path:
    """Return the highest folder above this one that is on the same file system."""
    device = folder.stat().st_dev
    while folder.parent != folder and folder.parent.stat().st_dev == device:
        folder = folder.parent
    return folder


def _name_first(temporary: Path, final: Path) -> None:
    """Give the file a name that no other has. Raises FileExistsError."""
    try:
        os.link(temporary, final)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with _naming, _alone(temporary.parent):
            if os.path.lexists(final):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from error
            temporary.rename(final)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes that do the same out, where the file system has locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in {*NO_LOCKS, errno.EBADF}:
                raise
        yield
    finally:
        os.close(descriptor)
