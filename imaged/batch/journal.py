"""Files of lines that survive a kill: the items that are done, and those that failed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from imaged.core.errors import StoreError
from imaged.core.hashes import shorten

_HEADER = "# imaged process "


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is for the operator."""


class Journal:
    """A file to which lines are appended. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path, *, empty: bool = False) -> None:
        self.path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if empty:
                self._file.truncate()
        except BaseException:
            self._file.close()
            raise
        self._pending: deque[bytes] = deque()

    def add(self, line: str) -> None:
        """Add a line; the next `flush` writes it."""
        self._pending.append(line.encode(errors="surrogateescape") + b"\n")

    def flush(self) -> None:
        """Write the added lines durably, all with one fsync. One worker thread only."""
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
        """Close the file."""
        self._file.close()


class Checkpoint(Journal):
    """The identities of items that are done, for the batch that `about` describes. One process at a time uses it.

    Each item takes about 100 bytes of memory, with a digest of 16 bytes. Raises CheckpointError.
    """

    def __init__(self, path: Path, about: Mapping[str, object]) -> None:
        try:
            super().__init__(path)
        except BlockingIOError as error:
            raise CheckpointError(f"{path} is another running batch's: each needs its own") from error
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}") from error
        try:
            self._done = self._read(_HEADER + json.dumps(about, sort_keys=True))
        except BaseException:
            self.close()
            raise

    def holds(self, identity: str) -> bool:
        """Say whether an item was done when the file was read."""
        return _digest(identity.encode(errors="surrogateescape")) in self._done

    def _read(self, header: str) -> set[bytes]:
        """Return the digests of done items. Cut off an unfinished last line; write the header of a new file."""
        start = header.encode() + b"\n"
        first = self._file.readline(len(start))
        if not start.startswith(first):
            found = shorten(first.decode(errors="replace").strip())
            raise CheckpointError(f"{self.path} is of another batch: it begins with {found!r}, not with {header!r}")
        done, end = set(), 0
        if first == start:
            end = len(start)
            for line in self._file:
                if line.endswith(b"\n"):
                    end += len(line)
                    done.add(_digest(line[:-1]))
        self._file.seek(end)
        self._file.truncate()
        if not end:
            self.add(header)
            self.flush()
        return done


def _digest(identity: bytes) -> bytes:
    return hashlib.blake2b(identity, digest_size=16).digest()
