"""Files of lines that survive a kill: the items that are done, and those that failed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from imaged.batch.errors import UsageError
from imaged.core.disk_errors import disk_error
from imaged.core.hashes import shorten

_HEADER = "# imaged process "


class Journal:
    """A file to which lines are appended. One process at a time uses it. Raises UsageError."""

    def __init__(self, path: Path, *, empty: bool = False) -> None:
        self.path = path
        with ExitStack() as opened:
            try:
                self._file = opened.enter_context(path.open("a+b"))
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if empty:
                    self._file.truncate(0)
            except BlockingIOError as error:
                raise UsageError(f"{path} is in use by another running batch: give a different file") from error
            except OSError as error:
                raise UsageError(f"{path}: {error.strerror}") from error
            opened.pop_all()

    def add(self, line: str) -> None:
        """Write a line durably. One worker thread only. Raises StoreError."""
        try:
            self._file.write(line.encode(errors="surrogateescape") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise disk_error(f"{self.path} cannot be written", error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Checkpoint(Journal):
    """The identities of items that are done, for the batch that `about` describes.

    Each item takes about 100 bytes of memory, with a digest of 16 bytes. Raises UsageError.
    """

    def __init__(self, path: Path, about: Mapping[str, object]) -> None:
        super().__init__(path)
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
        self._file.seek(0)
        first = self._file.readline(len(start))
        if not start.startswith(first):
            found = shorten(first.decode(errors="replace").strip())
            raise UsageError(f"{self.path} is of another batch: it begins with {found!r}, not with {header!r}")
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
        return done


def _digest(identity: bytes) -> bytes:
    return hashlib.blake2b(identity, digest_size=16).digest()
