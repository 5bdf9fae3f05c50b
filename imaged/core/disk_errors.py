"""Errors of a local disk, by what an operator has to do about them."""

from __future__ import annotations

import errno

from imaged.core.errors import DiskFullError, NoPermissionError, ReadOnlyError, StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM}


def is_full(error: Exception) -> bool:
    """Say whether an error of a file or of SQLite means that a disk has no free block or inode, or a quota is used."""
    number = error.errno if isinstance(error, OSError) else None
    return number in _FULL or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"


def disk_error(text: str, error: OSError) -> StoreError:
    """Return the error of an operation that could not write. `text` says what is not done, as in `X cannot be kept`."""
    reason = f"{text}: {error.strerror or type(error).__name__}"
    if is_full(error):
        return DiskFullError(f"{reason}; free some space")
    if error.errno == errno.EROFS:
        return ReadOnlyError(f"{reason}; look at its disk, and mount it for writing")
    if error.errno in _DENIED:
        return NoPermissionError(f"{reason}; let the user of imaged write there")
    return StoreError(f"{reason}; look at its file system")
