"""Room on the disk of the queue, for what must work while that disk is full: to open the queue, and to erase."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from imaged.core.disk_errors import is_full

R = TypeVar("R")

PIECES, PIECE_BYTES = 4, 1 << 16
"""SQLite takes 32 KiB to open a queue, and some pages of 4 KiB for each transaction."""


class Reserve:
    """The files `reserve-N` in `folder`, which any process may use up. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._files = [folder / f"reserve-{number}" for number in range(PIECES)]

    def fill(self) -> None:
        """Take the room, as far as the disk has it. Its bytes are random: a file system may compress others."""
        for file in self._files:
            try:
                if not file.exists() or file.stat().st_size != PIECE_BYTES:
                    file.write_bytes(os.urandom(PIECE_BYTES))
            except OSError:
                file.unlink(missing_ok=True)

    def lend(self, work: Callable[[], R]) -> R:
        """Do `work`; while the disk has no room, give up a piece, and do it again. Raises what it raises at last."""
        left = [file for file in self._files if file.exists()]
        while True:
            try:
                return work()
            except (OSError, sqlite3.OperationalError) as error:
                may_lack_room = is_full(error) or isinstance(error, sqlite3.OperationalError)
                if not may_lack_room or not left:
                    raise
                left.pop().unlink(missing_ok=True)
