"""Measure what quality and speed mean in each encoder: structural similarity, bytes and CPU on pictures of a folder.

`python bench/qualities.py FOLDER` prints the tables of docs/decisions/0034-qualities.md.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from structural_similarity import similarity
from wand.image import Image as WandImage

PICTURES = (
    "photo-6mp.jpg", "wine.jpg", "flowers.jpeg", "Landscape_1.jpg", "Landscape_3.jpg", "gain-map.jpg", "swiss.png",
)  # fmt: skip
SIDE_PX = 640
"""The pictures shrink to this side, so that no traces of their own encoders are left."""

Encode = Callable[[Image.Image, int], bytes]


def by_pillow(name: str, **options: Any) -> Encode:
    """Return an encoder of Pillow."""

    def encode(picture: Image.Image, quality: int) -> bytes:
        body = io.BytesIO()
        picture.save(body, name, quality=quality, **options)
        return body.getvalue()

    return encode


def by_magick(name: str, **options: str) -> Encode:
    """Return an encoder of ImageMagick."""

    def encode(picture: Image.Image, quality: int) -> bytes:
        with WandImage.from_array(np.asarray(picture)) as wand:
            wand.format, wand.compression_quality = name, quality
            for key, value in options.items():
                wand.options[key.replace("_", ":")] = value
            return bytes(wand.make_blob())

    return encode


def pictures(folder: Path) -> list[Image.Image]:
    """Return the photographs of a folder, reduced to SIDE_PX."""
    found = [Image.open(folder / name).convert("RGB") for name in PICTURES if (folder / name).exists()]
    for each in found:
        each.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return found


def measure(name: str, encode: Encode, quality: int, originals: list[Image.Image]) -> None:
    """Print the mean similarity, the mean bytes and the CPU of an encoder."""
    started_s = time.process_time()
    bodies = [encode(each, quality) for each in originals]
    cpu_ms = 1000 * (time.process_time() - started_s) / len(bodies)
    alike = [similarity(one, Image.open(io.BytesIO(body))) for one, body in zip(originals, bodies, strict=True)]
    size_bytes = sum(map(len, bodies)) // len(bodies)
    print(f"{name:24} {quality:3}  {np.mean(alike):.4f}  {size_bytes:7} bytes  {cpu_ms:6.0f} ms", flush=True)


def main() -> None:
    """Measure the encoders that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("encoders", nargs="*")
    arguments = parser.parse_args()
    originals = pictures(arguments.folder)
    if not originals:
        sys.exit(f"{arguments.folder} has none of {', '.join(PICTURES)}")
    fine, coarse = tuple(range(15, 100, 5)), (30, 50, 75, 90)
    half = {"subsampling": "4:2:0", "optimize": True, "progressive": True}
    encoders: dict[str, tuple[Encode, tuple[int, ...]]] = {
        "jpeg": (by_pillow("JPEG", **half), coarse),
        "webp": (by_pillow("WEBP", method=4), fine),
        "avif-pillow": (by_pillow("AVIF", speed=6, max_threads=1), fine),
        "avif-magick": (by_magick("avif", heic_speed="6"), fine),
        **{f"avif-pillow speed {n}": (by_pillow("AVIF", speed=n, max_threads=1), (50, 60)) for n in range(4, 11)},
        **{f"avif-magick speed {n}": (by_magick("avif", heic_speed=str(n)), (50, 60)) for n in range(4, 10)},
        **{f"webp method {n}": (by_pillow("WEBP", method=n), (75,)) for n in range(7)},
    }
    for name, (encode, qualities) in encoders.items():
        if not arguments.encoders or any(name.startswith(each) for each in arguments.encoders):
            for quality in qualities:
                measure(name, encode, quality, originals)


if __name__ == "__main__":
    main()
