"""What each frame of an animation changes of the canvas: the box, and within it the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

from wand.color import Color

from .deadline import Deadline
from .picture import Box, Picture

ROUNDING = 0.75
"""A difference between two colours that is lost when they are written with 8 bits."""

_BLOCK_PX = 8
_OPAQUE = bytes([0] + 255 * [255])
"""Makes every value 255 but 0, as a table of `bytes.translate`."""


@dataclass(frozen=True)
class Patch:
    """Pixels for a place of the canvas. Where it `blends`, transparent ones let what is there show through.

    What lies under it is made transparent afterwards if it `clears`.
    """

    picture: Picture
    left_px: int
    top_px: int
    blends: bool
    clears: bool


class Canvas:
    """What a viewer sees of an animation, frame by frame. Close it with `close`.

    A pixel of a frame counts as unchanged when it is within `tolerance` of 255 of what the canvas shows, not of what
    the frame before had: so no error grows.
    """

    def __init__(self, deadline: Deadline, tolerance: float) -> None:
        self._deadline = deadline
        self._tolerance = tolerance
        self._shown: Picture | None = None

    def close(self) -> None:
        """Free the pixels."""
        if self._shown:
            self._shown.close()

    def blend(self, frame: Picture, after: Picture | None) -> Patch:
        """Return the patch that turns the canvas into `frame`, for a format whose patches always blend.

        It clears its box where something must become transparent before the frame `after` it.
        """
        whole = (0, 0, frame.width, frame.height)
        if self._shown is None:
            picture, box = Picture(self._deadline, image=frame), whole
            self._shown = Picture(self._deadline, image=frame)
        else:
            picture = changes(self._shown, frame, self._tolerance)
            box = _filled(picture.alpha(), frame.width) or (0, 0, 1, 1)
            self._shown.composite(picture, operator="over")
        cleared = _cleared(frame, after) if after else None
        if cleared:
            box = _around(box, cleared)
            with Picture(self._deadline) as hole:
                hole.blank(box[2] - box[0], box[3] - box[1], Color("#00000000"))
                self._shown.composite(hole, box[0], box[1], operator="copy")
        return _cut(picture, box, blends=True, clears=bool(cleared))

    def replace(self, frame: Picture) -> Patch:
        """Return the patch that turns the canvas into `frame`, for a format whose patches may blend or replace."""
        if self._shown is None:
            self._shown = Picture(self._deadline, image=frame)
            return _cut(Picture(self._deadline, image=frame), (0, 0, frame.width, frame.height), blends=False)
        alpha = frame.alpha()
        if alpha.count(0) + alpha.count(255) == len(alpha) and not _cleared(self._shown, frame):
            with changes(self._shown, frame, self._tolerance) as changed:
                mask = changed.alpha()
            picture, blends = Picture(self._deadline, image=frame), True
            box = _filled(mask, frame.width)
            picture.set_alpha(_both(_in_blocks(mask, frame.width), alpha))
            self._shown.composite(picture, operator="over")
        else:  # a translucent pixel that is blended is another than it was
            picture, blends = Picture(self._deadline, image=frame), False
            box = self._shown.change(frame)
            self._shown.close()
            self._shown = Picture(self._deadline, image=frame)
        left_px, top_px, right_px, bottom_px = box or (0, 0, 1, 1)
        even = (left_px // 2 * 2, top_px // 2 * 2, right_px, bottom_px)  # WebP knows even places only
        return _cut(picture, even, blends=blends)


def frames_differ(one: Picture, other: Picture) -> bool:
    """Say whether a viewer could tell two frames apart."""
    if one.alpha() != other.alpha():
        return True
    with changes(one, other, ROUNDING) as picture:
        return any(picture.alpha())


def changes(before: Picture, after: Picture, tolerance: float) -> Picture:
    """Return a copy of `after` that is transparent where `before` is alike, for alpha that is all or nothing."""
    picture = Picture(after.deadline, image=after)
    picture.fuzz = tolerance * picture.quantum_range / 255
    picture.composite(before, operator="change_mask")
    return picture


def _cleared(before: Picture, after: Picture) -> Box | None:
    """Return the box of what is transparent in `after` and not in `before`."""
    opaque = after.alpha()
    if 0 not in opaque:
        return None
    there = int.from_bytes(before.alpha().translate(_OPAQUE), "little")
    gone = there & ~int.from_bytes(opaque.translate(_OPAQUE), "little")
    return _filled(gone.to_bytes(len(opaque), "little"), after.width)


def _filled(mask: bytes, width_px: int) -> Box | None:
    """Return the smallest box around all bytes that are not zero."""
    bottom_px = -(-len(mask.rstrip(b"\0")) // width_px)
    if not bottom_px:
        return None
    top_px = (len(mask) - len(mask.lstrip(b"\0"))) // width_px
    rows = mask[top_px * width_px : bottom_px * width_px]
    columns = (x for x in range(width_px) if any(rows[x::width_px].lstrip(b"\0")[:1]))
    left_px = next(columns)
    right_px = next(x for x in range(width_px, 0, -1) if rows[x - 1 :: width_px].lstrip(b"\0"))
    return left_px, top_px, right_px, bottom_px


def _in_blocks(mask: bytes, width_px: int) -> bytes:
    """Widen each byte that is not zero to its block.

    Lossy WebP compresses in blocks; a mask that follows each pixel may cost more than the pixels that it saves.
    """
    rows = [int.from_bytes(mask[at : at + width_px], "big") for at in range(0, len(mask), width_px)]
    widened = []
    for top in range(0, len(rows), _BLOCK_PX):
        band = rows[top : top + _BLOCK_PX]
        row = reduce(or_, band).to_bytes(width_px, "big")
        blocks = (row[left : left + _BLOCK_PX] for left in range(0, width_px, _BLOCK_PX))
        widened.append(len(band) * b"".join(len(block) * (b"\xff" if any(block) else b"\0") for block in blocks))
    return b"".join(widened)


def _both(one: bytes, other: bytes) -> bytes:
    """Return the bits that two masks of a size have in common."""
    return (int.from_bytes(one, "little") & int.from_bytes(other, "little")).to_bytes(len(one), "little")


def _around(one: Box, other: Box) -> Box:
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def _cut(picture: Picture, box: Box, *, blends: bool, clears: bool = False) -> Patch:
    left_px, top_px, right_px, bottom_px = box
    picture.crop(left_px, top_px, right_px, bottom_px)
    picture.reset_coords()
    return Patch(picture, left_px, top_px, blends, clears)
