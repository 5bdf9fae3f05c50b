"""Where the pixels go: the scale and the crop that turn an original's size into an output's."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.outputs import Fill, Fit, Sizing


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
