"""Where a viewer looks first: edges, skin and saturated colours draw attention, as in libvips's `smartcrop`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imaged.core.gravities import FocalPoint
from imaged.core.samples import Sample

_SKIN = (0.78, 0.57, 0.44)
"""The direction of the colour of skin, of any brightness (libvips, smartcrop.c)."""
_DARK = 12
"""Colours of darker pixels are noise."""
_EDGES, _SKINS, _COLOURS = 1.0, 1.0, 0.3
_REACH = 0.15
"""The standard deviation of the blur, as a share of the longer side: a region counts, not a pixel."""
_CENTRE_PENALTY = 0.5
"""By how much a place at a corner counts less than one in the centre."""


def find_attention(sample: Sample) -> FocalPoint:
    """Return the point of a sample that draws the most attention."""
    width_px, height_px = sample.size.width_px, sample.size.height_px
    scores = _scores(sample)
    sigma_px = _REACH * max(width_px, height_px)
    rows = [_blurred(scores[at : at + width_px], sigma_px) for at in range(0, len(scores), width_px)]
    columns = [_blurred([row[x] for row in rows], sigma_px) for x in range(width_px)]

    def attraction(x: int, y: int) -> float:
        across, down = (x + 0.5) / width_px - 0.5, (y + 0.5) / height_px - 0.5
        return columns[x][y] * (1 - _CENTRE_PENALTY * 2 * (across**2 + down**2))

    x, y = max(((x, y) for y in range(height_px) for x in range(width_px)), key=lambda at: attraction(*at))
    return FocalPoint(round(100 * (x + 0.5) / width_px), round(100 * (y + 0.5) / height_px))


def _scores(sample: Sample) -> list[float]:
    """Return how much each pixel attracts, 0 to about 3; nothing where it is transparent."""
    width_px = sample.size.width_px
    red, green, blue, opacity = (sample.channel(number) for number in range(4))
    lights = [(299 * r + 587 * g + 114 * b) / 1000 for r, g, b in zip(red, green, blue, strict=True)]
    found = []
    for at, light in enumerate(lights):
        x = at % width_px
        left = lights[at - 1] if x else light
        right = lights[at + 1] if x + 1 < width_px else light
        above = lights[at - width_px] if at >= width_px else light
        below = lights[at + width_px] if at + width_px < len(lights) else light
        score = _EDGES * abs(4 * light - left - right - above - below) / 255
        if light > _DARK:
            colour = (red[at], green[at], blue[at])
            score += _SKINS * _skin(colour) + _COLOURS * (max(colour) - min(colour)) / 255
        found.append(score * opacity[at] / 255)
    return found


def _skin(colour: tuple[int, int, int]) -> float:
    """Return from 0 to 1 how much a colour is that of skin."""
    length = math.hypot(*colour)
    distance = math.dist([value / length for value in colour], _SKIN)
    return max(0.0, 1 - 4 * distance)


def _blurred(line: Sequence[float], sigma_px: float) -> list[float]:
    """Return a line of values, averaged with those around them by a normal distribution; 0 beyond its ends."""
    reach = math.ceil(2 * sigma_px)
    weights = [math.exp(-((offset / sigma_px) ** 2) / 2) for offset in range(-reach, reach + 1)]
    padded = [0.0] * reach + list(line) + [0.0] * reach
    return [
        sum(value * weight for value, weight in zip(padded[at : at + len(weights)], weights, strict=True))
        for at in range(len(line))
    ]
