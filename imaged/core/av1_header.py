"""Read the sequence header of an AV1 picture (AV1 bitstream specification, 5.3 to 5.5): the size that is decoded."""

from __future__ import annotations

_SEQUENCE_HEADER, _HAS_EXTENSION, _HAS_SIZE = 1, 0x04, 0x02
_MOST_UNITS = 16
"""A still picture begins with a temporal delimiter, perhaps, and the sequence header."""


def read_av1_size(data: bytes) -> tuple[int, int]:
    """Return the largest width and height of the frames in an item's data, in pixels.

    Raises ValueError or IndexError where there is no sequence header of a still picture.
    """
    at = 0
    for _ in range(_MOST_UNITS):
        flags = data[at]
        at += 2 if flags & _HAS_EXTENSION else 1
        length, at = _leb128(data, at) if flags & _HAS_SIZE else (len(data) - at, at)
        if flags >> 3 & 15 == _SEQUENCE_HEADER:
            return _size(data[at : at + length])
        at += length
    raise ValueError("an AV1 picture has no sequence header")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, the lowest first (4.10.5), and where it ends."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 -- the last byte
            return value, at + index + 1
    raise ValueError("a number is too long")


def _size(header: bytes) -> tuple[int, int]:
    """Read a sequence header up to its size (5.5.1). Pictures of AVIF have the reduced form, or at least no timing."""
    bits = _Bits(header)
    bits.take(3 + 1)  # seq_profile, still_picture
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)  # seq_level_idx
    else:
        if bits.take(1):  # timing_info_present_flag
            raise ValueError("an AV1 picture has the timing of a film")
        has_delay = bits.take(1)
        for _ in range(bits.take(5) + 1):  # operating points
            bits.take(12)
            if bits.take(5) > 7:  # noqa: PLR2004 -- seq_level_idx, from here on with a tier
                bits.take(1)
            if has_delay and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


class _Bits:
    """Reads numbers of bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._left = 8 * min(len(data), 256)
        self._value = int.from_bytes(data[:256], "big")

    def take(self, count: int) -> int:
        """Return the next number."""
        self._left -= count
        if self._left < 0:
            raise ValueError("a sequence header is cut short")
        return self._value >> self._left & ((1 << count) - 1)
