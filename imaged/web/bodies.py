"""Request bodies while they arrive: small ones in memory, large ones in an unnamed file on the disk of the store.

TMPDIR is not used: it may be in memory, and imaged does not watch its free space. The kernel deletes an unnamed file
when its process ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO

from imaged.fetch.budget import Reservation

MEMORY_BYTES = 1 << 15
"""How much of a body is kept in memory. Every connection may hold this much."""


class Body:
    """The file methods that Twisted and the readers of a body call. `folder` returns the folder of large bodies."""

    def __init__(self, reservation: Reservation, folder: Callable[[], Path]) -> None:
        self._reservation = reservation
        self._folder = folder
        self._file: IO[bytes] = BytesIO()
        self._size_bytes = 0

    def write(self, data: bytes) -> None:
        """Append bytes. Raises BusyError when all bodies together are too large, StoreError or OSError for the disk."""
        self._reservation.take(len(data))
        if self._size_bytes <= MEMORY_BYTES < self._size_bytes + len(data):
            memory = self._file
            self._file = tempfile.TemporaryFile(dir=self._folder())  # noqa: SIM115  # `close` closes it
            memory.seek(0)
            self._file.write(memory.read())
        self._size_bytes += len(data)
        self._file.write(data)

    def complete(self) -> None:
        """Flush the file, and mark the reservation as complete. Raises OSError."""
        self._file.flush()
        self._reservation.complete()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset, and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises ValueError after `close`."""
        return self._file.read(size)

    def close(self) -> None:
        """Release the file and the reservation. May be called again."""
        self._reservation.close()
        self._file.close()
