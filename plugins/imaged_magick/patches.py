"""Find what each frame of an animation changes on the canvas: the box, and the pixels within it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

from wand.color import Color

from .deadline import Deadline
from .picture import Box, Picture

ROUNDING = 0.75
"""The largest difference of two colours, in steps of 8 bits, that rounding to 8 bits removes."""

_BLOCK_PX = 8
_OPAQUE = bytes([0] + 255 * [255])
"""A table for `bytes.translate` that makes every value 255, except 0."""


@dataclass(frozen=True)
class Patch:
    """Pixels to draw at an offset of the canvas. With `blends`, transparent pixels show the canvas below.

    With `clears`, the patch's area becomes transparent before the next frame.
    """

    picture: Picture
    left_px: int
    top_px: int
    blends: bool
    clears: bool


class Canvas:
    """The canvas of an animation as a viewer sees it after each frame. Close it with `close`.

    A pixel is unchanged when it is within `tolerance`, of 255, of the canvas. The canvas, not the frame before, is the
    reference, so that errors do not add up.
    """

    def __init__(self, deadline: Deadline, tolerance: float) -> None:
        self._deadline = deadline
        self._tolerance = tolerance
        self._canvas: Picture | None = None

    def close(self) -> None:
        """Free the pixels."""
        if self._canvas:
            self._canvas.close()

    def blend(self, frame: Picture, after: Picture | None) -> Patch:
        """Return the patch that turns the canvas into `frame`, for GIF, whose patches always blend.

        The patch clears its box if pixels become transparent in the frame `after` it.
        """
        whole = (0, 0, frame.width, frame.height)
        if self._canvas is None:
            picture, box = Picture(self._deadline, image=frame), whole
            self._canvas = Picture(self._deadline, image=frame)
        else:
            picture = changed_pixels(self._canvas, frame, self._tolerance)
            box = _bounding_box(picture.alpha(), frame.width) or (0, 0, 1, 1)
            self._canvas.composite(picture, operator="over")
        cleared = _cleared(frame, after) if after else None
        if cleared:
            box = _union(box, cleared)
            with Picture(self._deadline) as hole:
                hole.blank(box[2] - box[0], box[3] - box[1], Color("#00000000"))
                self._canvas.composite(hole, box[0], box[1], operator="copy")
        return _cropped(picture, box, blends=True, clears=bool(cleared))

    def replace(self, frame: Picture) -> Patch:
        """Return the patch that turns the canvas into `frame`, for WebP, whose patches may blend or replace."""
        if self._canvas is None:
            self._canvas = Picture(self._deadline, image=frame)
            return _cropped(Picture(self._deadline, image=frame), (0, 0, frame.width, frame.height), blends=False)
        alpha = frame.alpha()
        if alpha.count(0) + alpha.count(255) == len(alpha) and not _cleared(self._canvas, frame):
            with changed_pixels(self._canvas, frame, self._tolerance) as changed:
                mask = changed.alpha()
            picture, blends = Picture(self._deadline, image=frame), True
            box = _bounding_box(mask, frame.width)
            picture.set_alpha(_intersection(_in_blocks(mask, frame.width), alpha))
            self._canvas.composite(picture, operator="over")
        else:  # blending would change a translucent pixel
            picture, blends = Picture(self._deadline, image=frame), False
            box = self._canvas.changed_box(frame)
            self._canvas.close()
            self._canvas = Picture(self._deadline, image=frame)
        left_px, top_px, right_px, bottom_px = box or (0, 0, 1, 1)
        even = (left_px // 2 * 2, top_px // 2 * 2, right_px, bottom_px)  # WebP has even offsets only
        return _cropped(picture, even, blends=blends)


def frames_differ(one: Picture, other: Picture) -> bool:
    """Return whether two frames look different."""
    if one.alpha() != other.alpha():
        return True
    with changed_pixels(one, other, ROUNDING) as picture:
        return any(picture.alpha())


def changed_pixels(before: Picture, after: Picture, tolerance: float) -> Picture:
    """Return a copy of `after` that is transparent where it equals `before`, for pictures without translucency."""
    picture = Picture(after.deadline, image=after)
    picture.fuzz = tolerance * picture.quantum_range / 255
    picture.composite(before, operator="change_mask")
    return picture


def _cleared(before: Picture, after: Picture) -> Box | None:
    """Return the box of the pixels that are transparent in `after` and not in `before`."""
    opaque = after.alpha()
    if 0 not in opaque:
        return None
    there = int.from_bytes(before.alpha().translate(_OPAQUE), "little")
    gone = there & ~int.from_bytes(opaque.translate(_OPAQUE), "little")
    return _bounding_box(gone.to_bytes(len(opaque), "little"), after.width)


def _bounding_box(mask: bytes, width_px: int) -> Box | None:
    """Return the smallest box around all bytes other than zero, None where there are none."""
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
    """Extend each byte other than zero to its block of 8x8.

    Lossy WebP compresses in blocks; a mask for single pixels may cost more than the pixels that it saves.
    """
    rows = [int.from_bytes(mask[at : at + width_px], "big") for at in range(0, len(mask), width_px)]
    widened = []
    for top in range(0, len(rows), _BLOCK_PX):
        band = rows[top : top + _BLOCK_PX]
        row = reduce(or_, band).to_bytes(width_px, "big")
        blocks = (row[left : left + _BLOCK_PX] for left in range(0, width_px, _BLOCK_PX))
        widened.append(len(band) * b"".join(len(block) * (b"\xff" if any(block) else b"\0") for block in blocks))
    return b"".join(widened)


def _intersection(one: bytes, other: bytes) -> bytes:
    """Return the bitwise AND of two masks of equal size."""
    return (int.from_bytes(one, "little") & int.from_bytes(other, "little")).to_bytes(len(one), "little")


def _union(one: Box, other: Box) -> Box:
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def _cropped(picture: Picture, box: Box, *, blends: bool, clears: bool = False) -> Patch:
    left_px, top_px, right_px, bottom_px = box
    picture.crop(left_px, top_px, right_px, bottom_px)
    picture.reset_coords()
    return Patch(picture, left_px, top_px, blends, clears)
