"""Read the header of a JPEG XL (ISO/IEC 18181-1, D.1 and D.3; the container: 18181-2) without decoding it.

The reader raises ValueError or struct.error for a broken file.
"""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.exif import oriented
from imaged.core.geometry import Size
from imaged.core.heif_header import read_boxes

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE_BITS = (9, 13, 18, 30)


@dataclass(frozen=True)
class JxlHeader:
    """What the header says. `size` is that of the upright picture, `orientation` EXIF's, 1 to 8."""

    size: Size
    orientation: int
    animated: bool


class _Bits:
    """Reads bits, the lowest of each byte first."""

    def __init__(self, body: bytes) -> None:
        self._value, self._left = int.from_bytes(body, "little"), 8 * len(body)

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            raise ValueError("the header is cut short")
        value = self._value & (1 << count) - 1
        self._value >>= count
        self._left -= count
        return value


def read_jxl_size(body: bytes) -> tuple[int, int]:
    """Return width and height of the upright picture, in pixels."""
    size = read_jxl(body).size
    return size.width_px, size.height_px


def read_jxl(body: bytes) -> JxlHeader:
    """Read the header of a file. Raises ValueError or struct.error."""
    codestream = _codestream(body)
    if codestream[:2] != CODESTREAM:
        raise ValueError("not a JPEG XL")
    bits = _Bits(codestream[2:64])
    size, orientation, animated = _size(bits), 1, False
    if not bits.take(1) and bits.take(1):  # all_default, then extra_fields
        orientation = bits.take(3) + 1
        if bits.take(1):  # have_intrinsic_size
            _size(bits)
        animated = not bits.take(1) and bool(bits.take(1))  # have_preview, then have_animation
    return JxlHeader(oriented(size, orientation), orientation, animated)


def _size(bits: _Bits) -> Size:
    """Read a SizeHeader (D.2)."""
    if bits.take(1):
        height_px = 8 * (bits.take(5) + 1)
        ratio = bits.take(3)
        width_px = 0 if ratio else 8 * (bits.take(5) + 1)
    else:
        height_px = 1 + bits.take(_SIDE_BITS[bits.take(2)])
        ratio = bits.take(3)
        width_px = 0 if ratio else 1 + bits.take(_SIDE_BITS[bits.take(2)])
    if ratio:
        across, down = _RATIOS[ratio]
        width_px = height_px * across // down
    return Size(width_px, height_px)


def _codestream(body: bytes) -> bytes:
    """Return the beginning of the codestream, which a container may hold in parts."""
    if not body.startswith(CONTAINER):
        return body
    for kind, content in read_boxes(body):
        if kind == b"jxlc":
            return content
        if kind == b"jxlp":
            return content[4:]
    raise ValueError("the container has no codestream")
