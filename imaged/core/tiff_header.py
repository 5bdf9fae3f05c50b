"""Read the first directory of a TIFF (TIFF 6.0, section 2) without decoding it.

The reader trusts no length: each strip or tile lies within the file. It raises ValueError or struct.error for a broken
file, and for kinds that imaged does not take: BigTIFF, and compressions that only raw photographs and few programs use.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imaged.core.exif import oriented
from imaged.core.geometry import Size

_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i"}
"""The types of whole numbers, as struct has them."""
_MOST_ENTRIES, _MOST_PARTS = 512, 500_000
_MOST_PART_BYTES = 2**28
_MOST_PAGES = 64
"""How many directories a picture may have: pages, copies of smaller sizes, masks. Documents have more."""

WIDTH, HEIGHT, BITS, COMPRESSION = 256, 257, 258, 259
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 274, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, EXTRA_SAMPLES, PROFILE = 322, 323, 324, 325, 338, 34675
_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, CCITT of three kinds, LZW, JPEG, Deflate, PackBits, and Deflate's older number."""
_MOST_SAMPLES = 8


@dataclass(frozen=True)
class TiffHeader:
    """What the first directory says.

    `stored` is the size before `orientation`, 1 to 8, turns it. `entries` has the 12 bytes of each tag, and `order` is
    `<` or `>`.
    """

    order: str
    entries: dict[int, bytes]
    stored: Size
    orientation: int
    bits: int
    samples: int
    compression: int
    alpha: bool
    profile: bytes

    @property
    def size(self) -> Size:
        """The size of the upright picture."""
        return oriented(self.stored, self.orientation)


def read_tiff_size(body: bytes) -> tuple[int, int]:
    """Return width and height of the upright picture, in pixels."""
    size = read_tiff(body).size
    return size.width_px, size.height_px


def read_tiff(body: bytes) -> TiffHeader:
    """Read the first directory of a file. Raises ValueError or struct.error."""
    directory = _Directory(body)
    stored = Size(directory.number(WIDTH), directory.number(HEIGHT))
    compression, samples = directory.number(COMPRESSION, 1), directory.number(SAMPLES, 1)
    bits = directory.numbers(BITS) or [1]
    if compression not in _COMPRESSIONS:
        raise ValueError("the compression is one that imaged does not read")
    if not 1 <= samples <= _MOST_SAMPLES or not all(1 <= each <= 64 for each in bits):  # noqa: PLR2004 -- of a double
        raise ValueError("the pixels are of a kind that imaged does not read")
    orientation = directory.number(ORIENTATION, 1)
    header = TiffHeader(
        directory.order,
        directory.entries,
        stored,
        orientation if 1 <= orientation <= 8 else 1,  # noqa: PLR2004 -- the values of the tag
        max(bits),
        samples,
        compression,
        any(kind in (1, 2) for kind in directory.numbers(EXTRA_SAMPLES)),
        directory.bytes_of(PROFILE),
    )
    _check_parts(header, directory, len(body))
    return header


def _check_parts(header: TiffHeader, directory: _Directory, file_bytes: int) -> None:
    """Raise ValueError unless all strips or tiles are there, and none is much larger than the picture."""
    size, tiled = header.stored, TILE_OFFSETS in header.entries
    if tiled:
        part = Size(directory.number(TILE_WIDTH), directory.number(TILE_HEIGHT))
    else:
        part = Size(size.width_px, max(1, min(directory.number(ROWS_PER_STRIP, size.height_px), size.height_px)))
    planes = header.samples if directory.number(PLANAR, 1) != 1 else 1
    wanted = planes * -(-size.width_px // part.width_px) * -(-size.height_px // part.height_px)
    offsets = directory.numbers(TILE_OFFSETS if tiled else STRIP_OFFSETS)
    lengths = directory.numbers(TILE_BYTES if tiled else STRIP_BYTES)
    part_bytes = part.pixels * header.samples * header.bits // 8
    if tiled and part_bytes > _MOST_PART_BYTES:
        raise ValueError("a tile is too large")
    if len(offsets) < wanted or len(lengths) < wanted:
        raise ValueError("strips or tiles are missing")
    if any(offset + length > file_bytes for offset, length in zip(offsets, lengths, strict=False)):
        raise ValueError("a strip or tile is cut short")
    if header.compression == 1 and not tiled:
        row_bytes = -(-size.width_px * header.bits * (1 if planes > 1 else header.samples) // 8)
        if sum(lengths[:wanted]) < planes * row_bytes * size.height_px:
            raise ValueError("pixels are missing")


class _Directory:
    """The entries of the first directory."""

    def __init__(self, body: bytes) -> None:
        order = _ORDERS.get(body[:4])
        if order is None:
            raise ValueError("not a TIFF")
        self.order, self._body = order, body
        (at,) = struct.unpack_from(order + "I", body, 4)
        (count,) = struct.unpack_from(order + "H", body, at)
        if not 0 < count <= _MOST_ENTRIES or at + 2 + 12 * count + 4 > len(body):
            raise ValueError("the directory is cut short")
        self._check_pages(at)
        entries = [body[each : each + 12] for each in range(at + 2, at + 2 + 12 * count, 12)]
        self.entries = {struct.unpack_from(order + "H", entry)[0]: entry for entry in entries}

    def _check_pages(self, at: int) -> None:
        """Raise ValueError where too many directories follow the one at `at`, or where they are a circle."""
        for _ in range(_MOST_PAGES):
            if not 0 < at <= len(self._body) - 2:
                return
            (count,) = struct.unpack_from(self.order + "H", self._body, at)
            following = at + 2 + 12 * count
            if following + 4 > len(self._body):
                return
            (at,) = struct.unpack_from(self.order + "I", self._body, following)
        if at:
            raise ValueError(f"it has more than {_MOST_PAGES} directories")

    def numbers(self, tag: int) -> list[int]:
        """Return the whole numbers of a tag, none if it is absent."""
        entry = self.entries.get(tag)
        if entry is None:
            return []
        kind, count = struct.unpack_from(self.order + "HI", entry, 2)
        letter = _TYPES.get(kind)
        if letter is None or count > _MOST_PARTS:
            raise ValueError("a tag has a type or a length that it cannot have")
        pattern = f"{self.order}{count}{letter}"
        if struct.calcsize(self.order + letter) * count <= 4:  # noqa: PLR2004 -- the field of the value
            return list(struct.unpack_from(pattern, entry, 8))
        (at,) = struct.unpack_from(self.order + "I", entry, 8)
        if at + struct.calcsize(self.order + letter) * count > len(self._body):
            raise ValueError("a tag is cut short")
        return list(struct.unpack_from(pattern, self._body, at))

    def bytes_of(self, tag: int) -> bytes:
        """Return the bytes of a tag, none if it is absent, is short, or is not of bytes."""
        entry = self.entries.get(tag, bytes(12))
        kind, count, at = struct.unpack_from(self.order + "HII", entry, 2)
        return self._body[at : at + count] if _TYPES.get(kind) == "B" else b""

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag."""
        return next(iter(self.numbers(tag)), default)
