"""The regions of a sample that detectors find, and the point in their middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imaged.core.geometry import Size
from imaged.core.gravities import FocalPoint


@dataclass(frozen=True)
class Region:
    """A rectangle in which a detector found a face or an object, in pixels of the sample.

    `weight` is above 0: how much a pixel of it counts, beside those of other regions.
    """

    left_px: float
    top_px: float
    width_px: float
    height_px: float
    weight: float = 1.0


def find_middle(found: Sequence[tuple[Size, Region]]) -> FocalPoint | None:
    """Return the mean of the centres of regions, each weighted by its weight and its area; None without any.

    Each region comes with the size of the sample that it was found in.
    """
    across = down = total = 0.0
    for size, region in found:
        width, height = region.width_px / size.width_px, region.height_px / size.height_px
        weight = region.weight * width * height
        across += weight * (region.left_px / size.width_px + width / 2)
        down += weight * (region.top_px / size.height_px + height / 2)
        total += weight
    return FocalPoint(round(100 * across / total), round(100 * down / total)) if total else None
