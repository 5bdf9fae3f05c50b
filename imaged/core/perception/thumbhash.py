"""ThumbHash: a picture in about 25 bytes, which a page shows as a placeholder.

The format is Evan Wallace's, https://evanw.github.io/thumbhash/. Its layout of bits: a header of 24 bits (luminance,
two differences of colours, the scale of luminance, whether there is opacity), one of 16 (the other side's number of
frequencies, the scales of colours, whether the picture is wider than high), for opacity one of 8, then 4 bits for each
frequency of a discrete cosine transform.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from imaged.core.samples import Sample

_FREQUENCIES, _FREQUENCIES_WITH_OPACITY = 7, 5
"""Of luminance, along the longer side."""
_NOISE = 1e-9
"""Rounding errors of sums are smaller."""


@dataclass(frozen=True)
class _Channel:
    """The mean of a channel, and its other frequencies from 0 to 1, of which 0.5 means none; `scale` is the largest."""

    mean: float
    scale: float
    frequencies: Sequence[float]


def thumbhash(sample: Sample) -> str:
    """Return the ThumbHash of a sample, whose sides are at most 100 px, in base64."""
    width_px, height_px = sample.size.width_px, sample.size.height_px
    opacities = [value / 255 for value in sample.channel(3)]
    opacity = sum(opacities)
    red, green, blue = (_over_average(sample.channel(number), opacities, opacity) for number in range(3))
    has_opacity = opacity < width_px * height_px
    limit = _FREQUENCIES_WITH_OPACITY if has_opacity else _FREQUENCIES
    across, down = (max(1, _round(limit * side / max(width_px, height_px))) for side in (width_px, height_px))
    luminance = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    red_green = [r - g for r, g in zip(red, green, strict=True)]
    lights, yellows, reds = (
        _transform(channel, width_px, height_px, *counts)
        for channel, counts in ((luminance, (max(3, across), max(3, down))), (yellow_blue, (3, 3)), (red_green, (3, 3)))
    )
    wide = width_px > height_px
    head = _round(63 * lights.mean) | _round(31.5 + 31.5 * yellows.mean) << 6 | _round(31.5 + 31.5 * reds.mean) << 12
    head |= _round(31 * lights.scale) << 18 | has_opacity << 23
    head |= (
        (down if wide else across) | _round(63 * yellows.scale) << 3 | _round(63 * reds.scale) << 9 | wide << 15
    ) << 24
    body, channels = head.to_bytes(5, "little"), [lights, yellows, reds]
    if has_opacity:
        veil = _transform(opacities, width_px, height_px, 5, 5)
        body += bytes([_round(15 * veil.mean) | _round(15 * veil.scale) << 4])
        channels.append(veil)
    nibbles = [_round(15 * value) for channel in channels for value in channel.frequencies]
    nibbles += [0] * (len(nibbles) % 2)
    pairs = zip(nibbles[::2], nibbles[1::2], strict=True)
    return base64.b64encode(body + bytes(low | high << 4 for low, high in pairs)).decode()


def _over_average(values: Sequence[int], opacities: Sequence[float], opacity: float) -> list[float]:
    """Return a colour from 0 to 1, with its average where the picture is transparent."""
    shown = [value / 255 * share for value, share in zip(values, opacities, strict=True)]
    average = sum(shown) / opacity if opacity else 0.0
    return [value + average * (1 - share) for value, share in zip(shown, opacities, strict=True)]


def _transform(channel: Sequence[float], width_px: int, height_px: int, across: int, down: int) -> _Channel:
    """Return the lowest frequencies of a channel: a triangle of them, `across` and `down` at its legs."""
    rows = [channel[at : at + width_px] for at in range(0, len(channel), width_px)]
    columns = [[sum(map(mul, row, wave)) for row in rows] for wave in _waves(width_px, across)]
    waves = _waves(height_px, down)
    mean, *others = (sum(map(mul, columns[x], waves[y])) / (width_px * height_px) for x, y in _triangle(across, down))
    scale = max(map(abs, others), default=0.0)
    if scale < _NOISE:
        scale = 0.0
    return _Channel(mean, scale, [0.5 + value / scale / 2 if scale else 0.0 for value in others])


def _triangle(across: int, down: int) -> Iterator[tuple[int, int]]:
    for y in range(down):
        for x in range(across):
            if x * down < across * (down - y):
                yield x, y


@lru_cache(maxsize=256)
def _waves(length: int, count: int) -> Sequence[Sequence[float]]:
    """Return cosines of 0 to `count` - 1 half periods at the middles of `length` pixels."""
    return [[math.cos(math.pi / length * number * (at + 0.5)) for at in range(length)] for number in range(count)]


def _round(value: float) -> int:
    return math.floor(value + 0.5)
