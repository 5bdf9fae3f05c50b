"""A picture with the statistics of a photograph, made from a seed."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

LEAVES = 12_000


@cache
def dead_leaves(width_px: int, height_px: int, seed: int = 1) -> Image.Image:
    """Return leaves that cover each other, with edges at all scales and textures of 1/f noise.

    Source: Lee, Mumford, Huang, "Occlusion models for natural images", 2001: radii with a density of 1/r³ give the
    power spectrum and the edges of photographs.
    """
    random = np.random.default_rng(seed)
    leaves = Image.new("RGB", (width_px, height_px), (128, 128, 128))
    draw = ImageDraw.Draw(leaves)
    smallest_px, largest_px = 8, 400
    radii = smallest_px / np.sqrt(1 - random.random(LEAVES) * (1 - (smallest_px / largest_px) ** 2))
    for radius, x, y, light in zip(radii, *random.random((3, radii.size)), strict=True):
        colour = tuple(int(part) for part in np.clip(235 * light + random.normal(0, 25, 3), 0, 255))
        place = (x * width_px - radius, y * height_px - radius, x * width_px + radius, y * height_px + radius)
        draw.ellipse(place, fill=colour)
    soft = leaves.filter(ImageFilter.GaussianBlur(0.7))  # as a lens draws edges
    texture = 14 * _pink_noise(width_px, height_px, random)[:, :, None]
    values = np.asarray(soft, np.float64) + texture
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _pink_noise(width_px: int, height_px: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise whose amplitude is 1/frequency, with a standard deviation of 1."""
    across, down = np.fft.rfftfreq(width_px)[None, :], np.fft.fftfreq(height_px)[:, None]
    frequency = np.hypot(across, down)
    frequency[0, 0] = 1
    white = np.fft.rfft2(random.normal(size=(height_px, width_px)))
    noise = np.fft.irfft2(white / frequency, (height_px, width_px))
    return (noise - noise.mean()) / noise.std()
