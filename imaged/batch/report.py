"""What a batch tells: a line for each item on the standard output, the rest on the standard error output."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from imaged.batch.items import Item
from imaged.batch.work import Done

_CLEAR = "\r\x1b[K"  # to the first column, then erase the line (ECMA-48, EL)


@dataclass
class Tally:
    """How many items ended in which way, and what became of the outputs of those that are done."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    elsewhere: int = 0
    unfinished: int = 0
    made: int = 0
    there: int = 0

    def summary(self, elapsed_s: float) -> str:
        """Return the last line of a batch."""
        parts = [
            f"{self.done} done",
            f"{self.failed} failed",
            f"{self.skipped} done before",
            f"{self.elsewhere} of other shards",
            *([f"{self.unfinished} unfinished"] if self.unfinished else []),
        ]
        outputs = f"{self.made} outputs made, {self.there} already there"
        return f"{', '.join(parts)}; {outputs}; {elapsed_s:.1f} s"

    def progress(self, elapsed_s: float) -> str:
        """Return the line that a terminal shows meanwhile; how many are to come, nobody knows."""
        seen = self.done + self.failed
        return f"{self.done} done, {self.failed} failed, {self.skipped} done before; {seen / max(elapsed_s, 0.1):.1f}/s"


class Screen:
    """The standard error output, with a line at its end that is drawn anew when it is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = False

    def isatty(self) -> bool:
        """Say whether people look at it."""
        return self._stream.isatty()

    def write(self, text: str) -> None:
        """Write text above the drawn line."""
        self._stream.write(_CLEAR + text if self._drawn else text)
        self._drawn = False

    def flush(self) -> None:
        """Show what was written."""
        self._stream.flush()

    def draw(self, line: str) -> None:
        """Draw the line, if there is a terminal to draw it on."""
        if self.isatty():
            self._stream.write(_CLEAR + line)
            self._stream.flush()
            self._drawn = True


class Results:
    """Writes `hash<TAB>url<TAB>width<TAB>height`, as image-server 1.x did, each line at once. On one worker thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, item: Item, done: Done) -> None:
        """Write the line of an item. Raises BrokenPipeError when nobody reads any more."""
        line = f"{done.image.hash}\t{item.url}\t{done.width_px}\t{done.height_px}\n"
        self._stream.write(line.encode(errors="surrogateescape"))
        self._stream.flush()

    def sync(self) -> None:
        """Have what was written on the disk, if it goes to one. Raises OSError when the disk does not take it."""
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:  # a pipe or a terminal knows no such thing
            if error.errno in {errno.EIO, errno.ENOSPC, errno.EDQUOT}:
                raise
