"""Bound the scans of a JPEG: a decoder processes all blocks of a component in every scan."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from imaged.api import NotAPictureError, TooLargeError

from .errors import malformed_error

_MAXIMUM_BLOCKS = 60_000_000
"""How many blocks of 8x8 samples all scans together may contain.

libjpeg cannot be interrupted meanwhile. A block costs 4 ns when empty and 150 ns with a restart interval of one, so
that the maximum takes less than 10 s. A progressive photograph of 50 megapixels in ten scans has 10 million.
"""

_SHOWN = (0xC0, 0xC1, 0xC2)
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Of each coding process of ITU-T T.81 (table B.1). Browsers show the first three."""
_COMPONENTS = (1, 3, 4)  # grey, RGB or YCbCr, CMYK or YCCK


@dataclass(frozen=True)
class FrameHeader:
    """The frame header of a JPEG (T.81, B.2.2). `blocks` is the number of blocks by component identifier."""

    progressive: bool
    components: int
    blocks: Mapping[int, int]


def read_frame_header(marker: int, header: bytes) -> FrameHeader:
    """Read a frame header. Raises NotAPictureError for a broken one and for a process that browsers do not show."""
    if marker not in _SHOWN:
        raise _unsupported_error("a lossless, hierarchical or arithmetic coding")
    try:
        bits, height_px, width_px, count = struct.unpack_from(">BHHB", header)
        components = [struct.unpack_from("BBB", header, 6 + 3 * number) for number in range(count)]
    except struct.error:
        raise malformed_error("JPEG", "its header is damaged") from None
    if bits != 8:  # noqa: PLR2004 -- bits of a sample
        raise _unsupported_error(f"{bits} bits a sample")
    if count not in _COMPONENTS:
        raise malformed_error("JPEG", f"it has {count} colour components")
    across, down = max(each[1] >> 4 for each in components), max(each[1] & 15 for each in components)
    if not (width_px and height_px and across and down):
        raise malformed_error("JPEG", "its header is damaged")
    blocks = {
        name: -(-width_px * (factors >> 4) // (8 * across)) * -(-height_px * (factors & 15) // (8 * down))
        for name, factors, _ in components
    }
    return FrameHeader(marker == _SHOWN[-1], count, blocks)


class ScanProgress:
    """Counts the blocks in the scans of a frame, and the coefficients that they code.

    It is `complete` after a scan that codes all pixels: decoders ignore later scans.
    """

    def __init__(self, frame: FrameHeader) -> None:
        self.complete = False
        self._frame = frame
        self._blocks = 0
        self._missing = dict.fromkeys(frame.blocks, 2**64 - 1)

    @property
    def has_all(self) -> bool:
        """Whether the scans code every coefficient of every component down to the last bit."""
        return not any(self._missing.values())

    def add(self, header: bytes) -> None:
        """Count a scan by its header (T.81, B.2.3). Raises TooLargeError when the scans contain too many blocks."""
        count = header[0] if header else 0
        names = [name for name in header[1 : 1 + 2 * count : 2] if name in self._missing]
        self._blocks += sum(self._frame.blocks[name] for name in names)
        self.complete = not self._frame.progressive and count == self._frame.components
        first, last, bits = header[-3:] if len(header) > 3 else (0, 0, 0)  # noqa: PLR2004 -- the parameters at its end
        if not bits & 15:
            for name in names:
                self._missing[name] &= ~(2 ** (last + 1) - 2**first)
        if self._blocks > _MAXIMUM_BLOCKS:
            raise TooLargeError("this JPEG has too many scans for its size: save it again with another program")


def _unsupported_error(process: str) -> NotAPictureError:
    return NotAPictureError(f"this JPEG uses {process}, which browsers do not show: save it as a baseline JPEG")
