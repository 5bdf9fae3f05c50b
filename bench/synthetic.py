"""The pictures that benchmarks begin with: made from a seed, or a photograph that the reader has."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIZE = (2725, 2225)
"""6 megapixels, as sharp's benchmark photograph has."""

LARGE_SIZE = (6000, 4000)
SMALL_SIZE = (1225, 1000)


def synthesise(size: tuple[int, int] = SIZE, quality: int = 80) -> bytes:
    """Return a JPEG with the spectrum of a photograph: detail of all scales, whose contrast falls with its fineness."""
    chance = np.random.default_rng(6)
    width, height = size
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(9):
        columns, rows = max(width >> octave, 2), max(height >> octave, 2)
        noise = chance.normal(0, 2.6 * 1.5**octave, (rows, columns, 3)).astype(np.float32)
        noise[..., 1:] = noise[..., :1] + 0.15 * noise[..., 1:]  # colour varies less than brightness
        for band in range(3):
            layer = Image.fromarray(noise[..., band])
            total[..., band] += np.asarray(layer.resize(size, Image.Resampling.BICUBIC))
    pixels = np.clip(128 + total, 0, 255).astype(np.uint8)
    return encode(Image.fromarray(pixels), quality)


def encode(picture: Image.Image, quality: int = 80) -> bytes:
    """Return a picture as JPEG."""
    body = io.BytesIO()
    picture.convert("RGB").save(body, "JPEG", quality=quality)
    return body.getvalue()


def resized(photograph: bytes, size: tuple[int, int]) -> bytes:
    """Return a photograph at another size, filled and cropped from the centre."""
    with Image.open(io.BytesIO(photograph)) as picture:
        return encode(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def tiled(photograph: bytes, size: tuple[int, int]) -> bytes:
    """Return a larger picture of the same detail: the photograph beside and below itself."""
    with Image.open(io.BytesIO(photograph)) as picture:
        whole = Image.new("RGB", size)
        for left in range(0, size[0], picture.width):
            for top in range(0, size[1], picture.height):
                whole.paste(picture, (left, top))
    return encode(whole)
