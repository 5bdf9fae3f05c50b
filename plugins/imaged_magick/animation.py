"""Write an animated output, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable

from wand.color import Color

from imaged.api import GIF, Plan, Size, Variant

from .deadline import Deadline
from .encoding import normalise, write
from .frames import EncodedFrame
from .gif_writer import SHORTEST_TICKS, TICK_MS, mux_gif
from .palette import find_palette, remapped
from .patches import ROUNDING, Canvas, Patch, frames_differ
from .picture import Picture
from .timeline import TimedFrame, Timeline, displayed_ms
from .webp_writer import SHORTEST_MS, mux_webp


class AnimationWriter:
    """Collects the frames of one variant and writes them as one file. Close it with `close`.

    `wanted` is the plan of all frames. It keeps only the patch that each frame changes, found as soon as the next frame
    is known.
    """

    def __init__(self, variant: Variant, wanted: Plan, plays: int, deadline: Deadline) -> None:
        self.variant = variant
        self._is_gif = variant.format == GIF
        self.wanted = wanted
        self._plays = plays
        self._deadline = deadline
        self._tick_ms = TICK_MS if self._is_gif else 1
        self._timeline = Timeline[Picture](self._tick_ms, SHORTEST_TICKS if self._is_gif else SHORTEST_MS)
        self._canvas = Canvas(deadline, ROUNDING if self._is_gif else _webp_tolerance(variant.quality))
        self._patches: list[tuple[Patch, int]] = []

    def close(self) -> None:
        """Free the pixels."""
        self._canvas.close()
        for patch, _ in self._patches:
            patch.picture.close()

    def add(self, frame: Picture, duration_ms: int) -> None:
        """Append a resized frame of `duration_ms`. A frame that changes nothing extends the one before."""
        normalise(frame, self.variant, self.wanted)
        frame.alpha_channel = True
        newest = self._timeline.newest
        if newest and not frames_differ(newest, frame):
            self._timeline.extend(displayed_ms(duration_ms))
            return
        timed = self._timeline.add(Picture(self._deadline, image=frame), displayed_ms(duration_ms))
        if timed:
            self._keep(timed)

    def write(self) -> bytes:
        """Return the encoded file."""
        for timed in self._timeline.end():
            self._keep(timed)
        pictures = [patch.picture for patch, _ in self._patches]
        size = Size(pictures[0].width, pictures[0].height)
        if not self._is_gif:
            return mux_webp(size, self._encoded_frames(pictures), self._plays)
        with Picture(self._deadline) as pixel:
            pixel.blank(1, 1, Color("#00000000"))
            with find_palette([pixel, *pictures]) as palette:
                indexed = remapped([pixel, *pictures], palette)
                transparent_pixel = write(next(indexed), self.variant)
                return mux_gif(size, transparent_pixel, self._encoded_frames(indexed), self._plays)

    def _keep(self, timed: TimedFrame[Picture]) -> None:
        """Keep the patch of a timed frame, and close its picture."""
        with timed.picture as frame:
            patch = self._canvas.blend(frame, timed.after) if self._is_gif else self._canvas.replace(frame)
        self._patches.append((patch, timed.ticks * self._tick_ms))

    def _encoded_frames(self, pictures: Iterable[Picture]) -> Iterable[EncodedFrame]:
        """Encode each patch as a still. `pictures` are those of the patches, for GIF remapped to its palette."""
        for picture, (patch, duration_ms) in zip(pictures, self._patches, strict=True):
            size = Size(picture.width, picture.height)
            still = write(picture, self.variant)
            yield EncodedFrame(patch.left_px, patch.top_px, size, duration_ms, still, patch.blends, patch.clears)
            self._deadline.check()


def _webp_tolerance(quality: int) -> float:
    """Return the largest difference, of 255, that counts as none (libwebp's `QualityToMaxDiff` in anim_encode.c)."""
    share = math.sqrt(quality / 100)
    return 31 * (1 - share) + share
