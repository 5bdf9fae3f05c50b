"""Parse originals in AVIF, HEIC, TIFF, BMP and JPEG XL."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imaged.api import (
    AVIF,
    BMP,
    HEIC,
    JXL,
    TIFF,
    Format,
    Size,
    cicp_profile,
    profile_name,
    read_bmp,
    read_heif,
    read_jxl,
    read_tiff,
)

from .errors import malformed_error
from .tiff_pages import first_page

_CODECS = {AVIF: b"av01", HEIC: b"hvc1"}
HEADER_ERRORS = (ValueError, IndexError, struct.error)


@dataclass(frozen=True)
class FurtherOriginal:
    """What the header says. `size` is upright. The decoder turns what is `self_turning`; `orientation` is 1 to 8.

    `profile_name` is the name of an ICC profile in the file; `profile` may also say its colours without one.
    """

    size: Size
    blob: bytes
    orientation: int
    profile: bytes
    profile_name: str | None = None
    self_turning: bool = False


def parse_further(format: Format, blob: bytes) -> FurtherOriginal:
    """Parse a file by its header alone. Raises NotAPictureError where that is broken, or of a kind that is not read."""
    try:
        if format in _CODECS:
            return _heif(format, blob)
        if format == TIFF:
            tiff = read_tiff(blob)
            return FurtherOriginal(
                tiff.size, first_page(blob, tiff), tiff.orientation, tiff.profile, profile_name(tiff.profile)
            )
        if format == BMP:
            bmp = read_bmp(blob)
            return FurtherOriginal(bmp.size, blob, 1, bmp.profile, profile_name(bmp.profile))
        jxl = read_jxl(blob)
    except HEADER_ERRORS as error:
        reason = str(error) if isinstance(error, ValueError) else "its header is cut short"
        raise malformed_error(format.extension.upper(), reason) from error
    return FurtherOriginal(jxl.size, blob, jxl.orientation, b"")


def _heif(format: Format, blob: bytes) -> FurtherOriginal:
    header = read_heif(blob)
    if header.codec != _CODECS[format]:
        raise ValueError("its codec is not the one of its format")
    profile = header.profile
    if not profile and header.nclx:
        primaries, transfer, _ = header.nclx
        if max(primaries, transfer) < 256:  # noqa: PLR2004 -- libheif has applied matrix and range
            profile = cicp_profile(bytes((primaries, transfer, 0, 1))) or b""
    name = profile_name(header.profile)
    return FurtherOriginal(header.size, blob, header.orientation, profile, name, self_turning=True)


def is_turned(format: Format, orientation: str) -> bool:
    """Return whether the decoder has turned a picture already, by the orientation that it reports."""
    return format == JXL and orientation in ("undefined", "top_left")
