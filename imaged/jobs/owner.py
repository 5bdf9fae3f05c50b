"""Which process owns a job, and whether it still lives: the kernel drops a file lock with its process."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import BinaryIO


class Owner:
    """This process, as the queue knows it: a file that it holds locked for as long as it lives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = _lock_new(folder)
        self.name = Path(self._file.name).name
        self._folder = folder

    def is_gone(self, name: str) -> bool:
        """Say whether the owner `name` no longer runs; its file is then removed."""
        if name == self.name:
            return False
        path = self._folder / name
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def others(self) -> list[str]:
        """Return the names of all other owners that have left a file."""
        return [path.name for path in self._folder.iterdir() if path.name != self.name]

    def close(self) -> None:
        """Give the ownership up."""
        (self._folder / self.name).unlink(missing_ok=True)
        self._file.close()


def _lock_new(folder: Path) -> BinaryIO:
    """Make a file and lock it; another, if before that some process took it for a dead owner's and removed it."""
    while True:
        file = (folder / f"{os.getpid()}-{secrets.token_hex(4)}").open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if Path(file.name).exists():
            return file
        file.close()
