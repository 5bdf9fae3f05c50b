"""Divide the outputs of an original among two renders, where a second place is free."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imaged.core.outputs import Fill, Fit, Pad, Sizing
from imaged.workers.render_jobs import ImageOutput

PARTS = 2
"""How many parts there are at most."""

LEAST_PIXELS = 500_000
"""An output of fewer pixels has no render of its own: a second render decodes the original again."""


def divide(outputs: Sequence[ImageOutput]) -> list[Sequence[ImageOutput]]:
    """Return the outputs in one part or two: the largest size alone if the others have fewer pixels together.

    Those of one size stay together, since a processor resizes once for all their formats.
    """
    by_size: dict[Sizing, list[ImageOutput]] = {}
    for each in outputs:
        by_size.setdefault(each.output.sizing, []).append(each)
    largest = max(by_size, key=_pixels, default=None)
    if largest is None or len(by_size) == 1 or _pixels(largest) < LEAST_PIXELS:
        return [outputs]
    others = [each for each in outputs if each.output.sizing != largest]
    if sum(_pixels(each.output.sizing) for each in others) > _pixels(largest) * len(by_size[largest]):
        return [outputs]
    return [by_size[largest], others]


def _pixels(sizing: Sizing) -> float:
    """Return about how many pixels an output has: infinity where the name does not say it."""
    match sizing:
        case Fit(width_px, height_px):
            return (width_px or height_px or 0) * (height_px or width_px or 0)
        case Fill(width_px, height_px) | Pad(width_px, height_px):
            return width_px * height_px
    return math.inf
