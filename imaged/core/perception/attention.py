"""Where a viewer looks first: edges, skin and saturated colours draw attention, as in libvips's `smartcrop`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imaged.core.gravities import Compass, FocalPoint
from imaged.core.samples import Sample

_SKIN = (0.78, 0.57, 0.44)
"""The direction of the colour of skin, of any brightness (libvips, smartcrop.c)."""
_DARK = 12
"""Colours of darker pixels are noise."""
_EDGES, _SKINS, _COLOURS = 0.5, 0.3, 0.3
_REACH = 0.08
"""The standard deviation of the blur, as a share of the longer side: a region counts, not a pixel."""
_CENTRE = 0.4
"""The standard deviation of the weight of a place by its distance from the centre, as a share of the side."""
_HEIGHT = 0.4
"""Where the centre is, as a share of the height: heads are in the upper half of a photograph."""
_PEAK = 0.8
"""The region that counts attracts this share of the most at least; its middle is the point."""


def find_attention(sample: Sample) -> FocalPoint:
    """Return the point of a sample that draws the most attention, in per cent; the centre of a transparent one.

    The point is the mean of the places that attract nearly the most. libvips takes the one that attracts the most,
    which differs more between two sizes of a picture.
    """
    width_px, height_px = sample.size.width_px, sample.size.height_px
    scores = _scores(sample)
    sigma_px = _REACH * max(width_px, height_px)
    rows = [_blurred(scores[at : at + width_px], sigma_px) for at in range(0, len(scores), width_px)]
    columns = [_blurred([row[x] for row in rows], sigma_px) for x in range(width_px)]
    across, down = _centre_weights(width_px, 0.5), _centre_weights(height_px, _HEIGHT)
    attractions = [
        [value * weight * across[x] for value, weight in zip(column, down, strict=True)]
        for x, column in enumerate(columns)
    ]
    most = max(map(max, attractions))
    if not most:
        return Compass.CENTRE.point
    weights = [[max(0.0, value / most - _PEAK) ** 2 for value in column] for column in attractions]
    x_percent = _mean([sum(column) for column in weights])
    return FocalPoint(x_percent, _mean([sum(row) for row in zip(*weights, strict=True)]))


def _centre_weights(side_px: int, centre: float) -> list[float]:
    return [math.exp(-((((at + 0.5) / side_px - centre) / _CENTRE) ** 2) / 2) for at in range(side_px)]


def _mean(weights: Sequence[float]) -> int:
    """Return the mean place of a line of weights, in per cent of its length."""
    moment = sum((at + 0.5) * weight for at, weight in enumerate(weights))
    return round(100 * moment / (len(weights) * sum(weights)))


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
