"""Temporary files that are being written, each with an owner. The files of an owner that has ended are removed."""

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
"""How long a file is kept after its last write when its owner is UNKNOWN: no upload pauses for so long."""

INCOMING = ".incoming"
"""The folder of the temporary files, in the root of a store and of each file system below it."""

OWNERS = ".owners"
"""The folder of the owners' lock files, beside the folder of the temporary files."""

NO_REALM = f"r{'0' * 12}"
"""Begins the name of an owner without a lock, as `realm` begins the others. No process can know whether it runs."""

_NAME = re.compile(r"(r[0-9a-f]{12}-\d+-[0-9a-f]{8})\.[0-9a-f]{16}|\d+-[0-9a-f]{16}")
"""The owner and a number. Older programs, without owners, wrote a process id and a number."""


class Incoming:
    """A folder of temporary files, on the file system of the store. Other processes and machines may share it.

    Any thread may use it. After the last file, `close` it; the garbage collector closes a forgotten one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owners = folder.with_name(OWNERS)
        self._opening = threading.Lock()
        self._owner: Owner | None = None
        self._name = ""

    def new(self) -> Path:
        """Return a new path in the folder, which exists afterwards."""
        try:
            self.folder.mkdir()
        except FileExistsError:
            pass
        except FileNotFoundError:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.owner_name()}.{secrets.token_hex(8)}"

    def owner_name(self) -> str:
        """Return the name of this owner, which holds its lock from now on, where the file system has locks."""
        with self._opening:
            if not self._name:
                self._name = self._own()
            return self._name

    def has_owner(self, name: str) -> bool:
        """Say whether an owner of this name has a lock file here, whether it runs or not."""
        return (self._owners / name).exists()

    @property
    def has_locks(self) -> bool:
        """Whether the file system has locks; known after the first call of `new` or `owner_name`."""
        return self._owner is not None

    def sweep(self) -> int:
        """Remove the files of owners that have ended; return how many."""
        if not self.folder.is_dir():
            return 0
        own, before_s = self.owner_name(), self._now_s() - LONGEST_S

        @cache
        def look(owner: str | None) -> Liveness:
            if owner is None:
                return Liveness.UNKNOWN
            if owner.startswith(f"{realm(self._owners)}-") and not self.has_owner(owner):
                return Liveness.GONE  # it has closed, or a sweep that removed its lock file was killed
            return liveness(self._owners / owner)

        removed = 0
        elsewhere = self.folder.parent.glob(f"*/{self.folder.name}")  # of namespaces on other file systems
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
        """Give up the ownership. Any process may then remove the files that are left."""
        with self._opening:
            if self._owner is not None:
                self._release()
            self._owner, self._name = None, ""

    def _own(self) -> str:
        try:
            self._owner = Owner(self._owners)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return f"{NO_REALM}-{os.getpid()}-{secrets.token_hex(4)}"
        self._release = weakref.finalize(self, self._owner.close)
        return self._owner.name

    def _now_s(self) -> float:
        """Return the time of the file system's clock, which may be that of another machine."""
        trial = self.new()
        trial.touch()
        try:
            return trial.stat().st_mtime
        finally:
            trial.unlink()


def is_older(path: Path, before_s: float) -> bool:
    """Say whether a file exists and was last written before `before_s`, by the clock of the file system."""
    try:
        return path.stat().st_mtime < before_s
    except FileNotFoundError:
        return False
