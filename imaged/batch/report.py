"""The output of a batch: a line for each item on the standard output, the rest on the standard error output."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from imaged.batch.items import Item
from imaged.batch.output_maker import ItemResult

_CLEAR = "\r\x1b[K"  # to the first column, then erase the line (ECMA-48, EL)


@dataclass
class BatchCounts:
    """Numbers of items by how they ended, and of the outputs of items that are done."""

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
        """Return the line that a terminal shows during the batch, which does not know how many items will follow."""
        seen = self.done + self.failed
        return f"{self.done} done, {self.failed} failed, {self.skipped} done before; {seen / max(elapsed_s, 0.1):.1f}/s"


class Screen:
    """The standard error output; on a terminal, its last line is drawn again and again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = False

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._stream.isatty()

    def write(self, text: str) -> None:
        """Write text above the drawn line."""
        self._stream.write(_CLEAR + text if self._drawn else text)
        self._stream.flush()
        self._drawn = False

    def draw(self, line: str) -> None:
        """Draw the last line, on a terminal only."""
        if self.isatty():
            self._stream.write(_CLEAR + line)
            self._stream.flush()
            self._drawn = True


class Results:
    """Writes `hash<TAB>url<TAB>width<TAB>height`, as image-server 1.x did, each line at once. On one worker thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, item: Item, done: ItemResult) -> None:
        """Write the line of an item. Raises BrokenPipeError when the reader has closed the pipe."""
        line = f"{done.image.hash}\t{item.url}\t{done.width_px}\t{done.height_px}\n"
        self._stream.write(line.encode(errors="surrogateescape"))
        self._stream.flush()

    def sync(self) -> None:
        """Make the disk keep the written lines, if they go to a file. Raises OSError when the disk fails or is full."""
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:  # pipes and terminals do not support it
            if error.errno in {errno.EIO, errno.ENOSPC, errno.EDQUOT}:
                raise
