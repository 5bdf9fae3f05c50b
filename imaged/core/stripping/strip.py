"""Strip an original by its format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from imaged.core.formats import GIF, JPEG, PNG, WEBP, Format
from imaged.core.stripping.gif import strip_gif
from imaged.core.stripping.jpeg import strip_jpeg
from imaged.core.stripping.png import strip_png
from imaged.core.stripping.unfit import UnfitError
from imaged.core.stripping.webp import strip_webp

_STRIPPERS: Mapping[Format, Callable[[bytes], bytes]] = MappingProxyType(
    {JPEG: strip_jpeg, PNG: strip_png, GIF: strip_gif, WEBP: strip_webp}
)
_BROKEN = (UnfitError, struct.error, IndexError, ValueError, zlib.error)


def strip(format: Format, blob: bytes) -> bytes | None:
    """Return a file of the same pixels without metadata.

    None where the file is no whole, upright picture in sRGB with nothing behind it, or is of a kind that is not known
    here. The result has only parts that are needed to decode the picture.
    """
    stripper = _STRIPPERS.get(format)
    if stripper is None:
        return None
    try:
        return stripper(blob)
    except _BROKEN:
        return None
