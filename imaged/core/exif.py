"""The orientation in an EXIF block (CIPA DC-008), and what it does to a size."""

from __future__ import annotations

import struct

from imaged.core.geometry import Size

_PREFIX = b"Exif\x00\x00"
_BYTE_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
_ORIENTATION, _SHORT = 0x0112, 3
_SIDEWAYS = 5
"""The first orientation that swaps width and height."""


def read_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, from IFD 0 of an EXIF block; 1 where the block is damaged or names none."""
    exif = exif.removeprefix(_PREFIX)  # some writers keep JPEG's prefix in PNG and WebP
    order = _BYTE_ORDERS.get(exif[:4])
    if order is None:
        return 1
    try:
        (ifd,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, ifd)
        for entry in range(entries):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", exif, ifd + 2 + 12 * entry)
            if (tag, kind, count) == (_ORIENTATION, _SHORT, 1):
                return value if 1 <= value <= 8 else 1  # noqa: PLR2004 -- the values of the tag
    except struct.error:
        pass
    return 1


def is_sideways(orientation: int) -> bool:
    """Return whether an orientation, 1 to 8, swaps width and height."""
    return orientation >= _SIDEWAYS


def oriented(size: Size, orientation: int) -> Size:
    """Convert a size from the file's axes to the upright ones of an orientation, or back."""
    return Size(size.height_px, size.width_px) if is_sideways(orientation) else size
