"""Read a file, and parse it by its format."""

from __future__ import annotations

from pathlib import Path

from imaged.api import AVIF, GIF, HEIC, JPEG, PNG, WEBP, Formats, NotAPictureError, StoreError

from .gif_reader import read_gif
from .heif_reader import read_avif, read_heic
from .jpeg_reader import read_jpeg
from .original import Original
from .png_reader import read_png
from .unloaded import READS, WRITES
from .webp_reader import read_webp

_READERS = {JPEG: read_jpeg, PNG: read_png, GIF: read_gif, WEBP: read_webp, AVIF: read_avif, HEIC: read_heic}
_FORMATS = Formats(READS, WRITES)


def read_original(source: Path) -> Original:
    """Read and parse a file.

    Raises DeclinedError for what this plugin does not render, damaged files included, NotAPictureError for an unknown
    format, and StoreError when the file cannot be read.
    """
    try:
        blob = source.read_bytes()
    except OSError as error:
        raise StoreError(f"the original cannot be read from the local store: {error.strerror}") from error
    return parse_original(blob)


def parse_original(blob: bytes) -> Original:
    """Parse a file. Raises DeclinedError and NotAPictureError, as `read_original`."""
    format = _FORMATS.sniff(blob)
    if format is None:
        raise NotAPictureError("the format of this file is unknown: send a picture, such as a JPEG or PNG")
    return _READERS[format](blob)
