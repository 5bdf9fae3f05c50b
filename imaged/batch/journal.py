"""Files of lines that outlive a kill: what is done, and what has failed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from imaged.core.errors import StoreError
from imaged.core.hashes import shorten

_HEADER = "# imaged process "


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is for the command line."""


class Journal:
    """A file that lines are added to. Raises OSError where it cannot be opened."""

    def __init__(self, path: Path, *, afresh: bool = False) -> None:
        self.path = path
        self._file = path.open("r+b" if path.exists() and not afresh else "w+b")
        self._pending: deque[bytes] = deque()

    def add(self, line: str) -> None:
        """Note a line; it is in the file after the next `flush`."""
        self._pending.append(line.encode(errors="surrogateescape") + b"\n")

    def flush(self) -> None:
        """Write what was noted, durably. Many who flush at once cost one fsync. One worker thread only."""
        lines = []
        while self._pending:
            lines.append(self._pending.popleft())
        if not lines:
            return
        try:
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Checkpoint(Journal):
    """The identities of items that are done, for one list of outputs; one process at a time.

    A digest of 16 bytes stands for each in memory, about 100 bytes in all. Raises CheckpointError.
    """

    def __init__(self, path: Path, outputs: Sequence[str]) -> None:
        try:
            super().__init__(path)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(f"{path} is another running batch's: each needs its own") from error
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}") from error
        self._done: set[bytes] = set()
        header = _HEADER + json.dumps({"outputs": sorted(outputs)})
        lines = self._whole_lines()
        first = next(lines, None)
        if first is not None and first != header.encode():
            found = shorten(first.decode(errors="replace"))
            raise CheckpointError(f"{path} is of another batch: it begins with {found!r}, this one with {header!r}")
        self._done.update(map(_digest, lines))
        if first is None:
            self.add(header)
            self.flush()

    def holds(self, identity: str) -> bool:
        """Say whether an item was done when the file was read."""
        return _digest(identity.encode(errors="surrogateescape")) in self._done

    def _whole_lines(self) -> Iterator[bytes]:
        """Yield the lines that were written to their end, then cut off what a kill has left of another."""
        end = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            yield line[:-1]
        self._file.seek(end)
        self._file.truncate()


def _digest(identity: bytes) -> bytes:
    return hashlib.blake2b(identity, digest_size=16).digest()
