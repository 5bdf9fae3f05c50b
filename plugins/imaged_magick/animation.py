"""An animated output, put together frame by frame."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from imaged.api import GIF, WEBP, RenderTarget

from .deadline import Deadline
from .encoding import encode, finish
from .picture import Picture
from .webp import set_plays

_MILLISECONDS, _HUNDREDTHS = 1000, 100


class Animation:
    """Collects finished frames of one target and writes them as one file; close it with `with`."""

    def __init__(self, target: RenderTarget, plays: int, deadline: Deadline) -> None:
        self.target = target
        self._plays = plays
        self._elapsed_ms = 0
        self._frames = Picture(deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._frames.close()

    def add(self, frame: Picture, duration_ms: int) -> None:
        """Append a shaped frame that shows for `duration_ms`, which GIF rounds to hundredths of a second."""
        format = self.target.output.format
        finish(frame, self.target)
        ticks = _HUNDREDTHS if format == GIF else _MILLISECONDS
        frame.ticks_per_second = ticks
        frame.delay = self._ticks(duration_ms, ticks)
        frame.dispose = "none"
        frame.loop = self._plays
        self._frames.add(frame)

    def write(self) -> bytes:
        """Return the finished file."""
        if self.target.output.format == GIF:
            self._frames.optimize_layers()
        body = encode(self._frames, self.target)
        return set_plays(body, self._plays) if self.target.output.format == WEBP else body

    def _ticks(self, duration_ms: int, ticks_per_second: int) -> int:
        """Round the moment that the frame ends rather than its duration, so that errors do not add up."""
        begin_ms, self._elapsed_ms = self._elapsed_ms, self._elapsed_ms + duration_ms
        begin, end = (round(at_ms * ticks_per_second / 1000) for at_ms in (begin_ms, self._elapsed_ms))
        return end - begin
