"""Where the pixels go: the scale and the crop that turn an original's size into an output's."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.outputs import Fill, Fit, Sizing

_LOBES = 3
"""How many pixels to each side a Lanczos filter looks at, counted in the larger of the two pictures' pixels."""

_CANDIDATES = 32
"""How many pixels of the scaled picture a cut may lie further out, so that it falls between pixels of both pictures."""

_LARGE_CUT = 4
"""From this part of the decoded picture on, a fourth, a cut costs more memory than it spares."""

_ENLARGED_AT_ONCE = 16
"""How much a step enlarges at most: what the filter looks at beyond the cut is enlarged with it."""


@dataclass(frozen=True)
class Size:
    """Width and height in pixels, neither ever zero."""

    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError(f"a picture of {self.width_px}x{self.height_px} pixels has no pixels")

    @property
    def pixels(self) -> int:
        """How many pixels one frame of this size has."""
        return self.width_px * self.height_px

    def within(self, other: Size, times: int) -> bool:
        """Say whether each side is at most so many times that of another size."""
        return self.width_px <= times * other.width_px and self.height_px <= times * other.height_px


@dataclass(frozen=True)
class Plan:
    """Scale the whole picture to `scaled`, then keep the box of `size` whose corner is `left_px`, `top_px`."""

    scaled: Size
    size: Size
    left_px: int = 0
    top_px: int = 0

    @property
    def crops(self) -> bool:
        """Whether the box is smaller than the scaled picture."""
        return self.scaled != self.size


@dataclass(frozen=True)
class Step:
    """Cut the box `cut` whose corner is `left_px`, `top_px` out of a picture, then scale that to `scaled`."""

    left_px: int
    top_px: int
    cut: Size
    scaled: Size


def plan(original: Size, sizing: Sizing) -> Plan:
    """Return how an upright original of that size becomes an output of that sizing.

    Integer arithmetic throughout, halves rounded up, so that every machine gives the same size.
    """
    match sizing:
        case Fit(width_px):
            width_px = min(width_px, original.width_px)
            size = Size(width_px, max(1, _divide(original.height_px * width_px, original.width_px)))
            return Plan(size, size)
        case Fill(width_px, height_px):
            return _fill(original, Size(width_px, height_px))
        case _:
            return Plan(original, original)


def steps(plan: Plan, decoded: Size) -> tuple[Step, ...]:
    """Return how a picture that was decoded at a size of its own becomes what `plan` keeps of it.

    No picture on the way is much larger than what is decoded or kept, however much larger `plan.scaled` is: what will
    not be seen is cut off first, but for what a filter looks at. The cuts are where pixels of both pictures end, or as
    near to that as can be found: so the pixels lie where they would if the whole picture were scaled and then cropped.
    That is what is done where little is cut off and the whole gets smaller: a cut is a copy, which costs more then.
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
    """Return for each step where it cuts a side, to which length, and to what that is scaled.

    `kept_px` from `at_px` on are kept when all of `length_px` are scaled to `scaled_px`. An enlargement by a whole
    number keeps every cut between pixels.
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
    """Return where to begin and to end a cut of a side, with all around it that a filter looks at."""
    reach_px = _LOBES * max(1, -(-scaled_px // length_px))

    def off(place_px: int) -> int:
        """How far a place is from the next end of a scaled pixel, in parts of `length_px`."""
        return min(place_px * scaled_px % length_px, -place_px * scaled_px % length_px)

    first_px, last_px = at_px - reach_px, at_px + kept_px + reach_px
    before = range(first_px, max(-1, first_px - _CANDIDATES), -1)
    after = range(last_px, min(scaled_px, last_px + _CANDIDATES) + 1)
    start_px = min((_divide(each * length_px, scaled_px) for each in before), key=off, default=0)
    end_px = min((_divide(each * length_px, scaled_px) for each in after), key=off, default=length_px)
    return start_px, end_px


def _fill(original: Size, size: Size) -> Plan:
    """Cover the box: the side that is short of it matches exactly, the other is cropped evenly."""
    if original.width_px * size.height_px > original.height_px * size.width_px:
        width_px = _divide(original.width_px * size.height_px, original.height_px)
        scaled = Size(max(width_px, size.width_px), size.height_px)
    else:
        height_px = _divide(original.height_px * size.width_px, original.width_px)
        scaled = Size(size.width_px, max(height_px, size.height_px))
    left_px = (scaled.width_px - size.width_px) // 2
    top_px = (scaled.height_px - size.height_px) // 2
    return Plan(scaled, size, left_px, top_px)


def _divide(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)
