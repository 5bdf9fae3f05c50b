"""The average and the dominant colour of a picture."""

from __future__ import annotations

from collections import Counter

from imaged.core.samples import Sample

Colour = tuple[int, int, int]

_STEP_BITS = 5
"""Colours that agree in their three highest bits, of eight, count as one."""


def average_and_dominant(sample: Sample) -> tuple[str, str]:
    """Return the average colour and that of most pixels, `#rrggbb`. Transparent pixels count by their opacity.

    A picture without any opaque pixel is black.
    """
    pixels = list(zip(*(sample.channel(number) for number in range(4)), strict=True))
    groups: Counter[Colour] = Counter()
    for red, green, blue, opacity in pixels:
        groups[red >> _STEP_BITS, green >> _STEP_BITS, blue >> _STEP_BITS] += opacity
    (most, _), *_ = groups.most_common(1)
    alike = [each for each in pixels if tuple(value >> _STEP_BITS for value in each[:3]) == most]
    return _mean(pixels), _mean(alike)


def _mean(pixels: list[tuple[int, ...]]) -> str:
    weight = sum(pixel[3] for pixel in pixels)
    if not weight:
        return "#000000"
    means = (round(sum(pixel[number] * pixel[3] for pixel in pixels) / weight) for number in range(3))
    return "#" + "".join(f"{mean:02x}" for mean in means)
