"""dHash: 64 bits that are nearly the same for pictures that look the same (Neal Krawetz, "Kind of Like That", 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from imaged.core.samples import Sample

_COLUMNS, _ROWS = 9, 8
_NOISE = 2.0
"""Smaller differences, of 255, come from encoders: they would make the bits of plain areas random."""


def dhash(sample: Sample) -> str:
    """Return the hash of a sample: 16 hexadecimal digits.

    The picture, on white, is averaged to 9x8 grey pixels. For each row from the top, each pixel that is darker than the
    next one to its right, by more than noise, gives a 1, the leftmost one as the highest bit.
    """
    red, green, blue, opacity = (sample.channel(number) for number in range(4))
    grey = [
        255 - (255 - (299 * r + 587 * g + 114 * b) / 1000) * a / 255
        for r, g, b, a in zip(red, green, blue, opacity, strict=True)
    ]
    width_px = sample.size.width_px
    rows = [_averaged(grey[at : at + width_px], _COLUMNS) for at in range(0, len(grey), width_px)]
    columns = [_averaged([row[x] for row in rows], _ROWS) for x in range(_COLUMNS)]
    bits = [left[y] + _NOISE < right[y] for y in range(_ROWS) for left, right in pairwise(columns)]
    return f"{int(''.join('01'[bit] for bit in bits), 2):016x}"


def _averaged(values: Sequence[float], count: int) -> list[float]:
    """Return the averages of `count` equal parts of a line of pixels; a part may begin and end inside of a pixel."""
    found, length = [], len(values) / count
    for number in range(count):
        begin, end = number * length, (number + 1) * length
        first, last = int(begin), min(int(end), len(values) - 1)
        total = sum(values[first : last + 1]) - values[first] * (begin - first) - values[last] * (last + 1 - end)
        found.append(total / length)
    return found
