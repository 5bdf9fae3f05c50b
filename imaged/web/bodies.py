"""Bodies of requests while they come: small ones in memory, others in a file without a name on the disk of the store.

TMPDIR may be memory, and the daemon does not watch its free space. An unnamed file disappears with its process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO

from imaged.fetch.budget import Reservation

MEMORY_BYTES = 1 << 15
"""How much of a body is kept in memory: every connection may have so much."""


class Body:
    """As much of a file as Twisted and the readers of a body use. `folder` says where large ones go."""

    def __init__(self, reservation: Reservation, folder: Callable[[], Path]) -> None:
        self._reservation = reservation
        self._folder = folder
        self._file: IO[bytes] = BytesIO()
        self._size_bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises BusyError when too much comes in, StoreError or OSError for the disk's faults."""
        self._reservation.take(len(data))
        if self._size_bytes <= MEMORY_BYTES < self._size_bytes + len(data):
            memory = self._file
            self._file = tempfile.TemporaryFile(dir=self._folder())  # noqa: SIM115  # `close` closes it
            memory.seek(0)
            self._file.write(memory.read())
        self._size_bytes += len(data)
        self._file.write(data)

    def complete(self) -> None:
        """Have all of it written. Raises OSError."""
        self._file.flush()
        self._reservation.complete()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises ValueError after `close`."""
        return self._file.read(size)

    def close(self) -> None:
        """Forget it, also more than once."""
        self._reservation.close()
        self._file.close()
