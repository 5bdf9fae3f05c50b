"""Geometry: the scale and the crop that turn an original into an output."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.gravities import Compass, FocalPoint, Gravity, Smart
from imaged.core.outputs import Fill, Fit, FullSize, Pad, Sizing

_LOBES = 3
"""How many pixels to each side a Lanczos filter reads, in pixels of the picture that has the larger ones."""

_CANDIDATES = 32
"""How many scaled pixels a cut may move outwards until its edge is a pixel boundary in both pictures."""

_LARGE_CUT = 2
"""A cut of more than 1/_LARGE_CUT of the decoded picture costs more memory, and sometimes more time, than it saves."""

_ENLARGED_AT_ONCE = 16
"""How much a step enlarges at most: it also enlarges the pixels that the filter reads beyond the cut."""


@dataclass(frozen=True)
class Size:
    """Width and height in pixels, both at least 1."""

    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError(f"a picture of {self} pixels has no pixels")

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}"

    @property
    def pixels(self) -> int:
        """The number of pixels of one frame."""
        return self.width_px * self.height_px

    def within(self, other: Size, times: int) -> bool:
        """Return whether each side is at most `times` that of another size."""
        return self.width_px <= times * other.width_px and self.height_px <= times * other.height_px


@dataclass(frozen=True)
class Plan:
    """Scale the whole picture to `scaled`, then keep the box of `size` whose corner is `left_px`, `top_px`.

    A box that is larger than the scaled picture has a negative corner: the picture is padded.
    """

    scaled: Size
    size: Size
    left_px: int = 0
    top_px: int = 0

    @property
    def crops(self) -> bool:
        """Whether the box leaves out a part of the scaled picture."""
        return self.size.width_px < self.scaled.width_px or self.size.height_px < self.scaled.height_px

    @property
    def kept(self) -> Size:
        """The size of the part of the scaled picture that is in the box."""
        across_px, down_px = (self.scaled.width_px, self.size.width_px), (self.scaled.height_px, self.size.height_px)
        return Size(min(across_px), min(down_px))

    @property
    def pads(self) -> bool:
        """Whether the box has places where the scaled picture is not."""
        return self.size.width_px > self.scaled.width_px or self.size.height_px > self.scaled.height_px


@dataclass(frozen=True)
class Step:
    """Cut the box `cut` whose corner is `left_px`, `top_px` out of a picture, then scale that to `scaled`."""

    left_px: int
    top_px: int
    cut: Size
    scaled: Size


def plan(original: Size, sizing: Sizing, *, enlarge: bool = True) -> Plan:
    """Return how an upright original becomes an output. Without `enlarge`, a smaller original fills a smaller box.

    All arithmetic is in integers and rounds halves up, so that every machine gives the same size.
    """
    match sizing:
        case Fit(width_px, height_px):
            size = _fit(original, width_px, height_px)
            return Plan(size, size)
        case Pad(width_px, height_px):
            scaled = _fit(original, width_px, height_px)
            left_px, top_px = (width_px - scaled.width_px) // 2, (height_px - scaled.height_px) // 2
            return Plan(scaled, Size(width_px, height_px), -left_px, -top_px)
        case Fill(width_px, height_px, gravity):
            size = Size(width_px, height_px)
            return _fill(original, size if enlarge else _shrunk(size, original), gravity)
        case FullSize():
            return Plan(original, original)
    raise ValueError(f"the settings say what size {sizing} has")


def steps(plan: Plan, decoded: Size) -> tuple[Step, ...]:
    """Return the steps from a picture, decoded at the size `decoded`, to the box that `plan` keeps.

    No intermediate picture is much larger than the decoded or the kept one, even where `plan.scaled` is: a step first
    cuts off all pixels but those that the filter reads. Cuts are at, or as near as possible to, places where pixels of
    both pictures end, so that the kept pixels are where scaling the whole picture and cropping it would put them. Where
    little is cut off and the picture shrinks, the whole picture is scaled, since a cut is a copy and costs more.
    """
    if not plan.crops:
        return (Step(0, 0, decoded, plan.scaled),)
    enlargements = 0
    while not plan.scaled.within(decoded, _ENLARGED_AT_ONCE ** (enlargements + 1)):
        enlargements += 1
    columns = _side(decoded.width_px, plan.scaled.width_px, plan.left_px, plan.size.width_px, enlargements)
    rows = _side(decoded.height_px, plan.scaled.height_px, plan.top_px, plan.size.height_px, enlargements)
    found = tuple(
        Step(left_px, top_px, Size(across_px, down_px), Size(width_px, height_px))
        for (left_px, across_px, width_px), (top_px, down_px, height_px) in zip(columns, rows, strict=True)
    )
    if plan.scaled.pixels <= decoded.pixels < _LARGE_CUT * found[0].cut.pixels:
        return (Step(0, 0, decoded, plan.scaled), Step(plan.left_px, plan.top_px, plan.size, plan.size))
    return found


def _side(length_px: int, scaled_px: int, at_px: int, kept_px: int, enlargements: int) -> list[tuple[int, int, int]]:
    """Return for each step where it cuts a side, the length of the cut, and the length that it is scaled to.

    The plan scales `length_px` to `scaled_px` and keeps `kept_px` from `at_px` on. Enlarging by a whole number keeps
    each cut between pixels.
    """
    found, gone_px = [], 0
    for _ in range(enlargements):
        start_px, end_px = _cut(length_px, scaled_px, at_px, kept_px)
        cut_px = end_px - start_px
        found.append((start_px - gone_px, cut_px, _ENLARGED_AT_ONCE * cut_px))
        length_px, gone_px = _ENLARGED_AT_ONCE * length_px, _ENLARGED_AT_ONCE * start_px
    start_px, end_px = _cut(length_px, scaled_px, at_px, kept_px)
    begins_px, ends_px = _divide(start_px * scaled_px, length_px), _divide(end_px * scaled_px, length_px)
    found.append((start_px - gone_px, end_px - start_px, ends_px - begins_px))
    found.append((at_px - begins_px, kept_px, kept_px))
    return found


def _cut(length_px: int, scaled_px: int, at_px: int, kept_px: int) -> tuple[int, int]:
    """Return the start and the end of a cut of a side, with the pixels around it that a filter reads."""
    reach_px = _LOBES * max(1, -(-scaled_px // length_px))

    def off(place_px: int) -> int:
        """Return the distance from a place to the nearest end of a scaled pixel, in parts of `length_px`."""
        return min(place_px * scaled_px % length_px, -place_px * scaled_px % length_px)

    first_px, last_px = at_px - reach_px, at_px + kept_px + reach_px
    before = range(first_px, max(-1, first_px - _CANDIDATES), -1)
    after = range(last_px, min(scaled_px, last_px + _CANDIDATES) + 1)
    start_px = min((_divide(each * length_px, scaled_px) for each in before), key=off, default=0)
    end_px = min((_divide(each * length_px, scaled_px) for each in after), key=off, default=length_px)
    return start_px, end_px


def _fit(original: Size, width_px: int | None, height_px: int | None) -> Size:
    """Return the size inside a box: that of the original where it fits."""
    width_px = min(width_px or original.width_px, original.width_px)
    height_px = min(height_px or original.height_px, original.height_px)
    if width_px * original.height_px <= height_px * original.width_px:  # the width is what bounds it
        return Size(width_px, max(1, _divide(original.height_px * width_px, original.width_px)))
    return Size(max(1, _divide(original.width_px * height_px, original.height_px)), height_px)


def _shrunk(size: Size, original: Size) -> Size:
    """Return the largest size of this aspect that the original fills without being enlarged."""
    within = _fit(size, original.width_px, original.height_px)
    return Size(min(within.width_px, original.width_px), min(within.height_px, original.height_px))


def _fill(original: Size, size: Size, gravity: Gravity | None) -> Plan:
    """Cover the box: one side matches it exactly, and the other is cropped by gravity."""
    scaled = Size(
        max(size.width_px, _divide(original.width_px * size.height_px, original.height_px)),
        max(size.height_px, _divide(original.height_px * size.width_px, original.width_px)),
    )
    left_px, top_px = (scaled.width_px - size.width_px) // 2, (scaled.height_px - size.height_px) // 2
    match gravity:
        case FocalPoint(x_percent, y_percent):
            left_px = _around(scaled.width_px, size.width_px, x_percent)
            top_px = _around(scaled.height_px, size.height_px, y_percent)
        case Compass(point=FocalPoint(x_percent, y_percent)) if gravity is not Compass.CENTRE:
            left_px = (scaled.width_px - size.width_px) * x_percent // 100
            top_px = (scaled.height_px - size.height_px) * y_percent // 100
        case Smart():
            raise ValueError("a smart crop is planned with the focal point of its original")
    return Plan(scaled, size, left_px, top_px)


def _around(length_px: int, kept_px: int, percent: int) -> int:
    """Return where a part of a side begins that has a point in its middle, or as near to it as can be."""
    return min(max(0, (length_px * percent - kept_px * 50) // 100), length_px - kept_px)


def _divide(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)
