"""Files that grow before they get their name, and who writes them: what an owner that is gone has left is removed."""

from __future__ import annotations

import os
import re
import secrets
import threading
import weakref
from functools import cache
from pathlib import Path

from imaged.owners import NO_LOCKS, Liveness, Owner, liveness, realm

LONGEST_S = 86_400
"""How long a file whose owner cannot be looked at is left alone after it last grew: nothing comes in that slowly."""

OWNERS = ".owners"
"""Where the owners' own files are, beside the folder of the files that come in."""

_NAME = re.compile(r"(r[0-9a-f]{12}-\d+-[0-9a-f]{8})\.[0-9a-f]{16}|\d+-[0-9a-f]{16}")
"""The owner and a number; before there were owners with locks, a process id and a number."""


class Incoming:
    """A folder on the store's own file system; other processes and other machines may have files there, too.

    Any thread may use it. `close` it when nothing comes in any more; if nobody does, its end does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owners = folder.with_name(OWNERS)
        self._opening = threading.Lock()
        self._owner: Owner | None = None
        self._name = ""

    def new(self) -> Path:
        """Return a path that nobody has, in a folder that exists."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.owner_name()}.{secrets.token_hex(8)}"

    def owner_name(self) -> str:
        """Return who owns these files: from now on it holds its lock, where the file system has locks."""
        with self._opening:
            if not self._name:
                self._name = self._own()
            return self._name

    def has_owner(self, name: str) -> bool:
        """Say whether somebody is known here by this name, alive or not."""
        return (self._owners / name).exists()

    @property
    def has_locks(self) -> bool:
        """Whether the file system has the locks by which owners are told; known once something has come in."""
        return self._owner is not None

    def sweep(self) -> int:
        """Remove what processes that are gone have left; return how many files."""
        if not self.folder.is_dir():
            return 0
        own, before_s = self.owner_name(), self._now_s() - LONGEST_S

        @cache
        def look(owner: str | None) -> Liveness:
            return Liveness.UNKNOWN if owner is None else liveness(self._owners / owner)

        removed = 0
        elsewhere = self.folder.parent.glob(f"*/{self.folder.name}")  # of namespaces on file systems of their own
        for path in [path for folder in (self.folder, *elsewhere) for path in folder.iterdir()]:
            match = _NAME.fullmatch(path.name)
            if match is None or match[1] == own or look(match[1]) is Liveness.ALIVE:
                continue
            if look(match[1]) is Liveness.GONE or is_older(path, before_s):
                path.unlink(missing_ok=True)
                removed += 1
        for path in self._owners.iterdir():
            if path.name != own and look(path.name) is Liveness.UNKNOWN and is_older(path, before_s):
                path.unlink(missing_ok=True)
        return removed

    def close(self) -> None:
        """Give the ownership up: what is still here is anybody's to remove."""
        with self._opening:
            if self._owner is not None:
                self._let_go()
            self._owner, self._name = None, ""

    def _own(self) -> str:
        try:
            self._owner = Owner(self._owners)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return f"{realm(self._owners)}-{os.getpid()}-{secrets.token_hex(4)}"
        self._let_go = weakref.finalize(self, self._owner.close)
        return self._owner.name

    def _now_s(self) -> float:
        """Return the time as the file system has it, which may be another machine's."""
        trial = self.new()
        trial.touch()
        try:
            return trial.stat().st_mtime
        finally:
            trial.unlink()


def is_older(path: Path, before_s: float) -> bool:
    """Say whether a file is there and was last written before `before_s`, on the file system's own clock."""
    try:
        return path.stat().st_mtime < before_s
    except FileNotFoundError:
        return False
