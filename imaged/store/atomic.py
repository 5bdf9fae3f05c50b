"""Files that appear complete or not at all, and survive a power cut.

A file is written under a temporary name, fsynced, and renamed or linked to its final name; then the folder is fsynced
(Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). Without hard links, a lock and a check before the
rename replace the link. Where the final name is on another file system, the file is first copied there. All of it
blocks: worker threads only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imaged.owners import NO_LOCKS

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK}
"""Errors of link on exFAT, vfat, SMB, and FUSE without hard links."""

NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EISDIR, errno.EACCES}
"""Errors of fsync on a folder where the file system does not support it; it then decides itself how safe names are."""

NO_TIMES = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""Errors of utimensat where a file system sets times itself, as some network and FUSE file systems do."""

MOST_REMOVALS = 50
"""How often the folders of a new file may be removed, because they are empty, before it has its name."""

_naming = threading.Lock()


def write(path: Path, body: bytes, modified_ns: int | None = None) -> None:
    """Write `body` to the new file `path`; remove the file when that fails, as on a full disk.

    `modified_ns` becomes its modification time, in nanoseconds since the epoch, where the file system allows that.
    """
    os.close(_write(path, body, modified_ns))


def _write(path: Path, body: bytes, modified_ns: int | None) -> int:
    """Do what `write` does; return the descriptor, which the caller closes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(body)
        while left:
            left = left[os.write(descriptor, left) :]
        if modified_ns is not None:
            _set_modified(descriptor, modified_ns)
    except BaseException:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def replace(temporary: Path, final: Path) -> None:
    """Give the file its final name durably, in place of an existing file; `temporary` is gone afterwards."""
    _name_durably(temporary, final, Path.replace)


def keep_first(temporary: Path, final: Path) -> bool:
    """Give the file its final name durably, unless a file has that name; return whether it did.

    `temporary` is gone afterwards in either case.
    """
    try:
        _name_durably(temporary, final, _name_first)
    except FileExistsError:
        return False
    return True


def name_first(temporary: Path, final: Path) -> None:
    """Give the file its final name, unless a file has that name; `temporary` is gone afterwards in either case."""
    try:
        _name_first(temporary, final)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class NewFile:
    """A file to write, first under a temporary name. `modified_ns` is as for `write`."""

    temporary: Path
    final: Path
    body: bytes
    modified_ns: int


def replace_all(
    files: Sequence[NewFile], give: Callable[[Path, Path], object] = Path.replace
) -> dict[NewFile, OSError]:
    """Write files durably, in place of existing ones; return the error of each that is not kept.

    `give` gives a temporary file its final name.

    All files are written before the first one is fsynced, and all are named before the first folder is fsynced. So a
    file system whose fsync commits its whole journal commits twice, however many files there are.
    """
    errors: dict[NewFile, OSError] = {}
    descriptors: dict[NewFile, int] = {}

    def each(step: Callable[[NewFile], object]) -> None:
        for file in files:
            if file not in errors:
                try:
                    step(file)
                except OSError as error:
                    errors[file] = error

    def write_new(file: NewFile) -> None:
        descriptors[file] = _write(file.temporary, file.body, file.modified_ns)

    def sync(file: NewFile) -> None:
        try:
            os.fsync(descriptors[file])
        finally:
            os.close(descriptors[file])

    synced: set[Path] = set()

    def sync_name(file: NewFile) -> None:
        if file.final.parent not in synced:
            _sync_name(file.final)
            synced.add(file.final.parent)

    each(write_new)
    each(sync)
    each(lambda file: _name(file.temporary, file.final, give))
    each(sync_name)
    for file in errors:
        discard(file.temporary)
    return errors


def discard(temporary: Path) -> None:
    """Remove a temporary file if it exists.

    An error, as on a read-only file system, is ignored: it must not hide why the file is not kept, and a later start
    removes the file.
    """
    with suppress(OSError):
        temporary.unlink()


def make_folders(folder: Path) -> None:
    """Create a folder and its parents; fsync the parent of each new folder."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    fsync_folder(folder.parent)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, each of which is in the next one, as far as they are empty or do not exist."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # it is not empty
            return


def fsync(path: Path) -> None:
    """Make the disk keep the contents of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Make the disk keep the names in a folder, where its file system can."""
    try:
        fsync(folder)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def _set_modified(descriptor: int, modified_ns: int) -> None:
    try:
        os.utime(descriptor, ns=(time.time_ns(), modified_ns))
    except OSError as error:
        if error.errno not in NO_TIMES:
            raise


def _name_durably(temporary: Path, final: Path, give: Callable[[Path, Path], object]) -> None:
    try:
        fsync(temporary)
        _name(temporary, final, give)
        _sync_name(final)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_name(final: Path) -> None:
    with suppress(FileNotFoundError):  # the file was erased with its folder since it had its name
        fsync_folder(final.parent)


def _name(temporary: Path, final: Path, give: Callable[[Path, Path], object]) -> None:
    for _ in range(MOST_REMOVALS):
        try:
            return _give(temporary, final, give)
        except FileNotFoundError:  # the first file of a picture, or its empty folder has just been removed
            with suppress(FileNotFoundError):  # so has its parent
                make_folders(final.parent)
    return _give(temporary, final, give)


def _give(temporary: Path, final: Path, give: Callable[[Path, Path], object]) -> None:
    """Give the file its final name; where that is on another file system, from a copy there."""
    try:
        give(temporary, final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = _mount_of(final.parent) / temporary.parent.name / temporary.name
        near.parent.mkdir(exist_ok=True)
        try:
            shutil.copyfile(temporary, near)
            with near.open("rb") as copy:
                _set_modified(copy.fileno(), temporary.stat().st_mtime_ns)
            fsync(near)
            give(near, final)
            temporary.unlink()
        finally:
            near.unlink(missing_ok=True)


def _mount_of(folder: Path) -> Path:
    """Return the highest parent of a folder that is on the same file system."""
    device = folder.stat().st_dev
    while folder.parent != folder and folder.parent.stat().st_dev == device:
        folder = folder.parent
    return folder


def _name_first(temporary: Path, final: Path) -> None:
    """Give the file a name that no file has. Raises FileExistsError."""
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
    """Exclude other processes that do the same, where the file system has locks."""
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
