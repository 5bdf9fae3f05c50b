"""An animated output, put together frame by frame."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from imaged.api import GIF, RenderTarget, Size

from .deadline import Deadline
from .encoding import encode, finish
from .muxing import Piece, mux
from .picture import Box, Picture


class Animation:
    """Collects finished frames of one target and writes them as one file; close it with `with`."""

    def __init__(self, target: RenderTarget, plays: int, deadline: Deadline) -> None:
        self.target = target
        self._plays = plays
        self._durations_ms: list[int] = []
        self._frames = Picture(deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._frames.close()

    def add(self, frame: Picture, duration_ms: int) -> None:
        """Append a shaped frame that shows for `duration_ms`."""
        finish(frame, self.target)
        self._durations_ms.append(duration_ms)
        self._frames.add(frame)

    def write(self) -> bytes:
        """Return the finished file, each frame cut to what differs from the one before."""
        return self._write_gif() if self.target.output.format == GIF else self._write_webp()

    def _write_gif(self) -> bytes:
        """Write frames that are laid over each other; to make anything transparent again all must be cleared before.

        ImageMagick's own optimizer disposes of frames in ways that readers, its own among them, understand differently.
        """
        numbers = range(1, len(self._durations_ms))
        clears = [False, *(self._frames.change(number, cleared=True) is not None for number in numbers), False]
        elapsed_ms = 0
        with Picture(self._frames.deadline) as pieces:
            for number, duration_ms in enumerate(self._durations_ms):
                whole = not number or clears[number] or clears[number + 1]
                box = None if whole else self._frames.change(number) or (0, 0, 1, 1)
                with self._frames.frame(number) as frame:
                    self._place(frame, box)
                    frame.dispose = "background" if clears[number + 1] else "none"
                    frame.ticks_per_second = 100
                    frame.delay = _hundredths(elapsed_ms, duration_ms)
                    frame.loop = self._plays
                    pieces.add(frame)
                elapsed_ms += duration_ms
                self._frames.deadline.check()
            return encode(pieces, self.target)

    def _write_webp(self) -> bytes:
        """Write frames that replace what lies below; one without a difference prolongs the one before."""
        pieces: list[Piece] = []
        for number, duration_ms in enumerate(self._durations_ms):
            box = self._frames.change(number) if number else None
            if number and not box:
                pieces[-1].duration_ms += duration_ms
                continue
            if box:
                box = (box[0] // 2 * 2, box[1] // 2 * 2, *box[2:])  # the container knows even places only
            with self._frames.frame(number) as frame:
                left_px, top_px = self._place(frame, box)
                size = Size(frame.width, frame.height)
                pieces.append(Piece(left_px, top_px, size, duration_ms, encode(frame, self.target)))
            self._frames.deadline.check()
        return mux(Size(self._frames.width, self._frames.height), pieces, self._plays)

    def _place(self, frame: Picture, box: Box | None) -> tuple[int, int]:
        """Cut a frame to a box, None for all of it, and return where it lies on the canvas."""
        left_px, top_px, right_px, bottom_px = box or (0, 0, frame.width, frame.height)
        canvas_px = (frame.width, frame.height)
        if box:
            frame.crop(left_px, top_px, right_px, bottom_px)
        frame.page = (*canvas_px, left_px, top_px)
        return left_px, top_px


def _hundredths(begin_ms: int, duration_ms: int) -> int:
    """Return a GIF's delay: the moment that a frame ends is rounded, not its duration, so that errors do not add up."""
    return round((begin_ms + duration_ms) / 10) - round(begin_ms / 10)
