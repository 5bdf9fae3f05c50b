"""Processes that share a folder: each holds a lock on a file of its own there, and so tells that it lives.

Process ids tell nothing: two containers are process 1 both, and another machine has ids of its own. The kernel drops a
lock with its process, however that ends. All of it blocks, for a moment.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import BinaryIO

NO_LOCKS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL}
"""What flock fails with on a file system that has no locks: FUSE without them, an NFS server without lockd."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Liveness(Enum):
    """What can be known of another owner."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


class Owner:
    """A file in `folder` that is locked for as long as this object is open. Raises OSError where there are no locks.

    `note` is what others can read of this owner.
    """

    def __init__(self, folder: Path, note: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = _lock_new(folder, f"{realm(folder)}-{os.getpid()}")
        self.name = Path(self._file.name).name
        self.note(note)

    def note(self, text: str) -> None:
        """Let others read this text."""
        self._file.seek(0)
        self._file.write(text.encode())
        self._file.truncate()
        self._file.flush()

    def others(self) -> list[str]:
        """Return the names of all other owners that have left a file."""
        return [path.name for path in self._folder.iterdir() if path.name != self.name]

    def read(self, name: str) -> str:
        """Return the note of another; empty when there is none."""
        try:
            return (self._folder / name).read_text()
        except FileNotFoundError:
            return ""

    def liveness(self, name: str) -> Liveness:
        """Say whether the owner `name` runs. The file of one that is gone is removed."""
        return Liveness.ALIVE if name == self.name else liveness(self._folder / name)

    def close(self) -> None:
        """Give the ownership up."""
        with suppress(OSError):  # it is gone, or cannot be removed: it is not locked any more
            (self._folder / self.name).unlink()
        self._file.close()


def liveness(path: Path) -> Liveness:
    """Say whether the owner of this file runs. The file of one that is gone is removed.

    A lock that is held is proof. One that is free is proof in our own realm alone: over NFS with `nolock`, SMB, and
    most of FUSE each machine or mount sees its own locks only. Without a file nothing can be known.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # NFS gives an exclusive lock only to who may write
            if not path.name.startswith(f"{realm(path.parent)}-"):
                return Liveness.UNKNOWN
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return Liveness.ALIVE
    except OSError:  # it is not there, or not ours to look at
        return Liveness.UNKNOWN
    return Liveness.GONE


def realm(folder: Path) -> str:
    """Name those who see the same locks on `folder`: one kernel, booted once, and one mounted file system.

    Containers that share a volume of their machine are in one realm; two machines never are, nor two mounts of FUSE.
    """
    try:
        kernel = _BOOT_ID.read_text().strip()
    except OSError:  # illumos has none
        kernel = os.uname().nodename
    return "r" + hashlib.sha256(f"{kernel} {folder.stat().st_dev}".encode()).hexdigest()[:12]


def _lock_new(folder: Path, prefix: str) -> BinaryIO:
    """Make a file and lock it; another, if before that some process took it for a dead owner's and removed it."""
    while True:
        file = (folder / f"{prefix}-{secrets.token_hex(4)}").open("xb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            with suppress(OSError):
                Path(file.name).unlink()
            file.close()
            raise
        if Path(file.name).exists():
            return file
        file.close()
