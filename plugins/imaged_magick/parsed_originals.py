"""Parse an original once for a job, which identifies it and then verifies or renders it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from imaged.api import CORE, Format

from .original import ParsedOriginal, parse_original, read_original

_KEPT_BYTES = 2**24
"""The largest original that is kept: a thread that only identifies keeps it until it identifies the next one."""


class ParsedOriginals(threading.local):
    """Keeps the original that this thread has identified last, until it renders one. Each thread has its own.

    It reads the file again, and compares all bytes: a worker process has the originals of all its jobs at one path.
    """

    def __init__(self) -> None:
        self._kept: tuple[bytes, ParsedOriginal] | None = None

    def keep(self, source: Path, reads: Sequence[Format] = CORE) -> ParsedOriginal:
        """Read and parse an original, and keep it for `take`. Raises as `parse_original` does."""
        self._kept = None
        blob = read_original(source)
        original = parse_original(blob, reads)
        if len(blob) <= _KEPT_BYTES:
            self._kept = blob, original
        return original

    def take(self, source: Path, reads: Sequence[Format] = CORE) -> ParsedOriginal:
        """Read an original, and return it as kept if it is the same, otherwise parse it. Keep nothing."""
        kept, self._kept = self._kept, None
        blob = read_original(source)
        return kept[1] if kept and kept[0] == blob else parse_original(blob, reads)
