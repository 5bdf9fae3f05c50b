"""Processes that share a folder: each owner holds a lock on its own file there for as long as it runs.

No decision depends on a process id: two containers can both be process 1, and another machine has ids of its own. The
kernel releases a lock when its process ends in any way. All of it blocks for a moment.
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
"""Errors of flock on a file system without locks: some FUSE, an NFS server without lockd."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Liveness(Enum):
    """What a process can know about another owner."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


class Owner:
    """A file in `folder` that is locked until `close`. Raises OSError where the file system has no locks.

    Other processes can read its `note`. The process id in its name is for people.
    """

    def __init__(self, folder: Path, note: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = _lock_new(folder, f"{realm(folder)}-{os.getpid()}")
        self.name = Path(self._file.name).name
        self.note(note)

    def note(self, text: str) -> None:
        """Replace the text that other processes can read."""
        self._file.seek(0)
        self._file.write(text.encode())
        self._file.truncate()
        self._file.flush()

    def others(self) -> list[str]:
        """Return the names of all other owners that have a file."""
        return [path.name for path in self._folder.iterdir() if path.name != self.name]

    def read(self, name: str) -> str:
        """Return the note of another owner; empty when it has no file."""
        try:
            return (self._folder / name).read_text()
        except FileNotFoundError:
            return ""

    def liveness(self, name: str) -> Liveness:
        """Say whether the owner `name` runs; see `liveness`."""
        return Liveness.ALIVE if name == self.name else liveness(self._folder / name)

    def close(self) -> None:
        """Give up the ownership."""
        with suppress(OSError):  # it may be gone, or stay: its lock is released
            (self._folder / self.name).unlink()
        self._file.close()


def liveness(path: Path) -> Liveness:
    """Say whether the owner of this file runs, and remove the file of an owner that has ended.

    A held lock proves that its owner runs. A free lock proves that it has ended only in the realm of this process: over
    NFS with `nolock`, SMB, and most of FUSE, each machine or mount sees only its own locks. Without a file, the answer
    is UNKNOWN.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(
                file, fcntl.LOCK_SH | fcntl.LOCK_NB
            )  # over NFS, an exclusive lock needs a file that is open for writing
            if not path.name.startswith(f"{realm(path.parent)}-"):
                return Liveness.UNKNOWN
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return Liveness.ALIVE
    except OSError:  # the file does not exist or cannot be read
        return Liveness.UNKNOWN
    return Liveness.GONE


def realm(folder: Path) -> str:
    """Name the realm of `folder`, whose processes see the same locks: one boot of one kernel, one mounted file system.

    Containers that share a volume of their machine are in one realm. Two machines are not, nor are two FUSE mounts.
    """
    try:
        kernel = _BOOT_ID.read_text().strip()
    except OSError:  # illumos has none
        kernel = os.uname().nodename
    return "r" + hashlib.sha256(f"{kernel} {folder.stat().st_dev}".encode()).hexdigest()[:12]


def _lock_new(folder: Path, prefix: str) -> BinaryIO:
    """Create a file and lock it. Where another process removes it before it is locked, create another."""
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
