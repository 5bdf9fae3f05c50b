"""What decoding a JPEG costs beside its pixels: every scan goes over all the blocks of its components once more."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from imaged.api import NotAPictureError, TooLargeError

from .errors import malformed_error

_MAXIMUM_BLOCKS = 60_000_000
"""How many blocks of 8x8 samples all scans together may go over.

libjpeg cannot be interrupted there. A block costs 4 ns where nothing is coded, 150 ns with a restart interval of one,
so that this takes less than 10 s. A progressive photograph of 50 megapixels in ten scans has 10 million.
"""

_SHOWN = (0xC0, 0xC1, 0xC2)
_PROCESSES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical lossless",
    0xC9: "arithmetic coding",
    0xCA: "progressive arithmetic coding",
    0xCB: "lossless arithmetic coding",
    0xCD: "hierarchical arithmetic coding",
    0xCE: "hierarchical arithmetic coding",
    0xCF: "hierarchical arithmetic coding",
}
"""Coding processes of ITU-T T.81 (table B.1) that browsers do not show."""

START_OF_FRAME = frozenset({*_SHOWN, *_PROCESSES})
_COMPONENTS = (1, 3, 4)  # grey, colours, print colours


@dataclass(frozen=True)
class FrameHeader:
    """The frame header of a JPEG (T.81, B.2.2): `blocks` that each component has, by its identifier."""

    progressive: bool
    components: int
    blocks: Mapping[int, int]


def read_frame_header(marker: int, header: bytes) -> FrameHeader:
    """Read a frame header. Raises NotAPictureError for a process that browsers do not show, and for a broken one."""
    if marker not in _SHOWN:
        raise _unshown(_PROCESSES[marker])
    try:
        bits, height_px, width_px, count = struct.unpack_from(">BHHB", header)
        components = [struct.unpack_from("BBB", header, 6 + 3 * number) for number in range(count)]
    except struct.error:
        raise malformed_error("JPEG", "its header is damaged") from None
    if bits != 8:  # noqa: PLR2004 -- bits of a sample
        raise _unshown(f"{bits} bits a sample")
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
    """Adds up the blocks that the scans of a frame go over.

    It is `complete` after a scan that holds all pixels: decoders show nothing of what comes after it.
    """

    def __init__(self, frame: FrameHeader) -> None:
        self.complete = False
        self._frame = frame
        self._blocks = 0
        self._missing = dict.fromkeys(frame.blocks, 2**64 - 1)

    @property
    def has_all(self) -> bool:
        """Say whether there was a scan for the last bit of each coefficient of each component."""
        return not any(self._missing.values())

    def add(self, header: bytes) -> None:
        """Count a scan by its header (T.81, B.2.3). Raises TooLargeError when it is one too many."""
        count = header[0] if header else 0
        names = [name for name in header[1 : 1 + 2 * count : 2] if name in self._missing]
        self._blocks += sum(self._frame.blocks[name] for name in names)
        self.complete = not self._frame.progressive and count == self._frame.components
        first, last, bits = header[-3:] if len(header) > 3 else (0, 0, 0)  # noqa: PLR2004 -- the parameters at its end
        if not bits & 15:
            for name in names:
                self._missing[name] &= ~(2 ** (last + 1) - 2**first)
        if self._blocks > _MAXIMUM_BLOCKS:
            raise TooLargeError("this JPEG has too many scans for its size: save it anew with another program")


def _unshown(process: str) -> NotAPictureError:
    return NotAPictureError(f"this JPEG uses {process}, which browsers do not show: save it as a baseline JPEG")
