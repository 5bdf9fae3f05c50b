"""An animated output, put together frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from wand.color import Color

from imaged.api import GIF, Size, Variant

from .deadline import Deadline
from .encoding import finish, write
from .gif_muxing import SHORTEST_TICKS, TICK_MS, mux_gif
from .muxing import SHORTEST_MS, Piece, mux
from .palette import found_palette, recoloured
from .patches import ROUNDING, Canvas, Patch, differ
from .picture import Picture
from .timeline import Slot, Timeline, seen_ms


class Animation:
    """Collects the frames of one variant and writes them as one file; close it with `with`.

    Of each frame only what it changes is kept, as soon as its successor is known.
    """

    def __init__(self, variant: Variant, plays: int, deadline: Deadline) -> None:
        self.variant = variant
        self._is_gif = variant.output.format == GIF
        self._plays = plays
        self._deadline = deadline
        self._tick_ms = TICK_MS if self._is_gif else 1
        self._timeline = Timeline[Picture](self._tick_ms, SHORTEST_TICKS if self._is_gif else SHORTEST_MS)
        self._canvas = Canvas(deadline, ROUNDING if self._is_gif else _lost_by_webp(variant.quality))
        self._patches: list[tuple[Patch, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._canvas.close()
        for patch, _ in self._patches:
            patch.picture.close()

    def add(self, frame: Picture, duration_ms: int) -> None:
        """Append a shaped frame that asks for `duration_ms`; one that shows nothing new prolongs the one before."""
        finish(frame, self.variant)
        frame.alpha_channel = True
        newest = self._timeline.newest
        if newest and not differ(newest, frame):
            self._timeline.prolong(seen_ms(duration_ms))
            return
        slot = self._timeline.add(Picture(self._deadline, image=frame), seen_ms(duration_ms))
        if slot:
            self._keep(slot)

    def write(self) -> bytes:
        """Return the finished file."""
        for slot in self._timeline.end():
            self._keep(slot)
        pictures = [patch.picture for patch, _ in self._patches]
        size = Size(pictures[0].width, pictures[0].height)
        if not self._is_gif:
            return mux(size, self._pieces(pictures), self._plays)
        with Picture(self._deadline) as pixel:
            pixel.blank(1, 1, Color("#00000000"))
            with found_palette([pixel, *pictures]) as palette:
                indexed = recoloured([pixel, *pictures], palette)
                nothing = write(next(indexed), self.variant)
                return mux_gif(size, nothing, self._pieces(indexed), self._plays)

    def _keep(self, slot: Slot[Picture]) -> None:
        """Keep what a frame changes."""
        with slot.picture as frame:
            patch = self._canvas.blend(frame, slot.after) if self._is_gif else self._canvas.replace(frame)
        self._patches.append((patch, slot.ticks * self._tick_ms))

    def _pieces(self, pictures: Iterable[Picture]) -> Iterable[Piece]:
        """Yield each patch as a still of the variant's format, from its picture in the colours of that format."""
        for picture, (patch, duration_ms) in zip(pictures, self._patches, strict=True):
            size = Size(picture.width, picture.height)
            still = write(picture, self.variant)
            yield Piece(patch.left_px, patch.top_px, size, duration_ms, still, patch.blends, patch.clears)
            self._deadline.check()


def _lost_by_webp(quality: int) -> float:
    """Return which difference of 255 to take for none: libwebp's own measure (`QualityToMaxDiff` of anim_encode.c)."""
    share = math.sqrt(quality / 100)
    return 31 * (1 - share) + share
