"""Which process owns a job, whether it still lives, and who else may work on the queue."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imaged import owners
from imaged.core.errors import StoreError
from imaged.owners import Liveness, realm


class Owner:
    """This process, as the queue knows it: a file in `folder` that it holds locked for as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self._who = f"process {os.getpid()} of {os.uname().nodename}"
        self._owner = owners.Owner(folder, self._who)
        self._folder = folder
        self.name = self._owner.name

    def is_gone(self, name: str) -> bool:
        """Say whether the owner `name` no longer runs; its file is then removed.

        So is one on another machine that is not seen to live: a queue that came here on its disk goes on at once.
        """
        liveness = self._owner.liveness(name)
        if liveness is Liveness.UNKNOWN:
            (self._folder / name).unlink(missing_ok=True)
        return liveness is not Liveness.ALIVE

    def others(self) -> list[str]:
        """Return the names of all other owners that have left a file."""
        return self._owner.others()

    def check_machine(self) -> None:
        """Raise StoreError when another machine works on this queue, as far as its lock is seen here."""
        for name in self._living():
            if not name.startswith(f"{realm(self._folder)}-"):
                who, _ = self._told(name)
                raise StoreError(
                    f"the job queue in {self._folder.parent} is in use on another machine or mount, by {who}, "
                    "and SQLite cannot be shared between them; give each daemon a state_dir of its own"
                )

    def check_store(self, is_here: Callable[[str], bool]) -> None:
        """Raise StoreError when another process works on this queue, for a store where `is_here` does not find it."""
        for name in self._living():
            who, known_as = self._told(name)
            if known_as and not is_here(known_as):
                raise StoreError(
                    f"the job queue in {self._folder.parent} is in use by {who} for another store, "
                    "where the jobs of this one would fail; give each store a state_dir of its own"
                )

    def works_for(self, known_as: str) -> None:
        """Let others know as whom this process is found in the store that its jobs are of."""
        self._owner.note(f"{self._who}\n{known_as}")

    def close(self) -> None:
        """Give the ownership up."""
        self._owner.close()

    def _living(self) -> Iterator[str]:
        for name in self.others():
            told = not name[:1].isdigit()  # a program that told nothing of itself had its process id first
            if told and self._owner.liveness(name) is Liveness.ALIVE:
                yield name

    def _told(self, name: str) -> tuple[str, str]:
        who, _, known_as = self._owner.read(name).partition("\n")
        return who or name, known_as
