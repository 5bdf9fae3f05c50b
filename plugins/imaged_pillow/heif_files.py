"""Open AVIF with Pillow and HEIC with pillow-heif, where they are installed; each on the calling thread alone.

A worker has one picture at a time, and the operator says how many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from typing import Any

from PIL import Image

from imaged.api import AVIF, HEIC

from .unloaded import READS

Open = Callable[[BytesIO], Image.Image]


def _load_avif() -> Open:
    plugin: Any = import_module("PIL.AvifImagePlugin")  # registers the encoder
    plugin.DEFAULT_MAX_THREADS = 1
    opened: Open = plugin.AvifImageFile
    return opened


def _load_heic() -> Open:
    pillow_heif: Any = import_module("pillow_heif")
    options = pillow_heif.options
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False

    def opened(file: BytesIO) -> Image.Image:
        """Return the primary picture in 8 bits a channel, upright."""
        picture: Image.Image = pillow_heif.open_heif(file, convert_hdr_to_8bit=True).to_pillow()
        return picture

    return opened


OPENERS: dict[str, Open] = {
    format.extension: load() for format, load in ((AVIF, _load_avif), (HEIC, _load_heic)) if format in READS
}
"""What opens each format that is read here. `Image.open` would try others."""
