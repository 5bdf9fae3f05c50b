"""The size that AV1 and HEVC bitstreams state, which a decoder fills whatever the file around them says.

Each function returns width and height in pixels, and raises ValueError for a broken bitstream.
"""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE_HEADER = 1
_PARAMETER_SETS = (32, 33, 34)
_SPS = 33
_MOST_UNITS = 1024
_HEADER_BYTES = 512
"""The most bytes of a header that are read: all fields before the size fit."""


class _Bits:
    """Reads bits, the highest of each byte first."""

    def __init__(self, body: bytes) -> None:
        self._value, self._left = int.from_bytes(body, "big"), 8 * len(body)

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            raise ValueError("a bitstream is cut short")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def exponential(self) -> int:
        """Return the next number of Exp-Golomb coding (ITU-T H.265, 9.2; AV1, 4.10.3)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:  # noqa: PLR2004 -- of the longest number
                raise ValueError("a bitstream has a number that is too long")
        return (1 << zeros) - 1 + self.take(zeros)


def read_av1_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size in each sequence header of a bitstream (AV1, 5.3 to 5.5)."""
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= len(data):
            return
        head = data[at]
        at += 2 if head & 4 else 1
        length = len(data) - at
        if head & 2:
            length, at = _leb128(data, at)
        if at + length > len(data):
            raise ValueError("a bitstream is cut short")
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            yield _sequence_size(_Bits(data[at : at + min(length, _HEADER_BYTES)]))
        at += length
    raise ValueError("a bitstream has too many parts")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place (AV1, 4.10.5), and the place behind it."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:  # noqa: PLR2004 -- the bit that announces another byte
            return value, at + index + 1
    raise ValueError("a bitstream has a broken length")


def _sequence_size(bits: _Bits) -> tuple[int, int]:
    bits.take(4)
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):
            bits.exponential()
        if bits.take(1):  # decoder_model_info_present_flag
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:  # noqa: PLR2004 -- the levels that have a tier
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_display_delay and bits.take(1):
            bits.take(4)


def read_hevc_sizes(configuration: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size in each sequence parameter set of a `hvcC` (ISO/IEC 14496-15, 8.3.3)."""
    at = 23
    for _ in range(configuration[22]):
        kind, count = configuration[at] & 63, int.from_bytes(configuration[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(configuration[at : at + 2], "big")
            at += 2
            if at + length > len(configuration):
                raise ValueError("a configuration is cut short")
            if kind == _SPS:
                unit = configuration[at + 2 : at + min(length, _HEADER_BYTES)]
                yield _sps_size(_Bits(unit.replace(b"\x00\x00\x03", b"\x00\x00")))
            at += length


def _sps_size(bits: _Bits) -> tuple[int, int]:
    """Read a sequence parameter set (ITU-T H.265, 7.3.2.2) up to the size."""
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.exponential()
    if bits.exponential() == 3:  # noqa: PLR2004 -- chroma_format_idc of 4:4:4
        bits.take(1)
    return bits.exponential(), bits.exponential()


def has_parameter_sets(data: bytes, length_bytes: int) -> bool:
    """Say whether HEVC data has parameter sets of its own, which would replace those of the configuration."""
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= len(data):
            return False
        length = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        if not length or at + length > len(data):
            raise ValueError("a bitstream is cut short")
        if data[at] >> 1 & 63 in _PARAMETER_SETS:
            return True
        at += length
    raise ValueError("a bitstream has too many parts")
