"""The processes that work on the queue: each owns its running jobs for as long as it holds a lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imaged.core.errors import StoreError
from imaged.owners import Liveness, Owner, realm


class QueueOwner(Owner):
    """This process, as the queue knows it. Its note names it and its store."""

    def __init__(self, folder: Path) -> None:
        self._who = f"process {os.getpid()} of {os.uname().nodename}"
        super().__init__(folder, self._who)

    def is_gone(self, name: str) -> bool:
        """Say whether the owner `name` has ended; its file is then removed.

        An owner of another machine that holds no lock here counts as ended, so that a queue whose disk moved to this
        machine continues at once.
        """
        liveness = self.liveness(name)
        if liveness is Liveness.UNKNOWN:
            (self._folder / name).unlink(missing_ok=True)
        return liveness is not Liveness.ALIVE

    def check_machine(self) -> None:
        """Raise StoreError when another machine works on this queue, as far as locks show it here."""
        for name in self._living():
            if not name.startswith(f"{realm(self._folder)}-"):
                who, _ = self._note_of(name)
                raise StoreError(
                    f"the job queue in {self._folder.parent} is in use on another machine or mount, by {who}, "
                    "and SQLite cannot be shared between them; give each daemon a state_dir of its own"
                )

    def check_store(self, is_here: Callable[[str], bool]) -> None:
        """Raise StoreError when another process works on this queue for another store.

        `is_here` says whether an owner of that name has a file in the store of this process.
        """
        for name in self._living():
            who, known_as = self._note_of(name)
            if known_as and not is_here(known_as):
                raise StoreError(
                    f"the job queue in {self._folder.parent} is in use by {who} for another store, "
                    "where the jobs of this one would fail; give each store a state_dir of its own"
                )

    def works_for(self, known_as: str) -> None:
        """Let other processes read under which name this one is an owner in its store; empty without locks."""
        self.note(f"{self._who}\n{known_as}")

    def _living(self) -> Iterator[str]:
        for name in self.others():
            has_note = not name[:1].isdigit()  # older programs wrote no note, and their names begin with a digit
            if has_note and self.liveness(name) is Liveness.ALIVE:
                yield name

    def _note_of(self, name: str) -> tuple[str, str]:
        who, _, known_as = self.read(name).partition("\n")
        return who or name, known_as
