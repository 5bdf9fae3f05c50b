"""Read the header of an AVIF or HEIC (ISO/IEC 23008-12, in the boxes of ISO/IEC 14496-12) without decoding it.

The reader trusts no length: each box ends within its parent, and each reference to an item resolves. It raises
ValueError, IndexError or struct.error for a broken file, and for what imaged does not take: derived pictures other than
grids.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from imaged.core.coded_sizes import has_parameter_sets, read_av1_sizes, read_hevc_sizes
from imaged.core.geometry import Size

_MOST_BOXES = 4096
"""The boxes and entries of one list. A telephone's panorama has some 200 items."""

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_SPARE_PX = 64
"""How much wider and higher than its picture a bitstream may be: HEVC has whole blocks."""
_TURNS = {1: (1, 8, 3, 6), 2: (2, 7, 4, 5)}
"""EXIF orientations after 0 to 3 quarter turns against the clock: of an unmirrored picture, and of a mirrored one."""
_FLIPPED = {1: (4, 2), 2: (3, 1), 3: (2, 4), 4: (1, 3), 5: (8, 6), 6: (7, 5), 7: (6, 8), 8: (5, 7)}
"""EXIF orientations after a further exchange of top and bottom, and of left and right."""

Box = tuple[bytes, bytes]
"""The type and the body of a box."""


@dataclass(frozen=True)
class HeifHeader:
    """What the header says of the primary picture.

    `size` is that of the upright picture, `orientation` is what `irot` and `imir` say, as EXIF's, 1 to 8. A decoder
    fills `decoded_pixels`, those of tiles and of the transparency included. `codec` is `av01` or `hvc1`, `depth` the
    bits of a channel, 0 if unknown. `profile` is the ICC profile, empty for none, and `nclx` the numbers of primaries,
    transfer and matrix (ITU-T H.273), None for none.
    """

    size: Size
    orientation: int
    decoded_pixels: int
    codec: bytes
    depth: int
    alpha: bool
    profile: bytes
    nclx: tuple[int, int, int] | None


def read_heif_size(body: bytes) -> tuple[int, int]:
    """Return width and height of the upright picture, in pixels."""
    size = read_heif(body).size
    return size.width_px, size.height_px


def read_heif(body: bytes) -> HeifHeader:
    """Read the header of a file. Raises ValueError, IndexError or struct.error."""
    return _Meta(body).header()


def read_boxes(body: bytes) -> Iterator[Box]:
    """Yield the boxes of a body (ISO/IEC 14496-12, 4.2). Raises ValueError for one that does not end within it."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at == len(body):
            return
        length, kind = struct.unpack_from(">I4s", body, at)
        begin = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", body, begin)
            begin += 8
        end = at + length if length else len(body)
        if not begin <= end <= len(body):
            raise ValueError("a box is cut short")
        yield kind, body[begin:end]
        at = end
    raise ValueError("too many boxes")


class _Reader:
    """Reads numbers one after the other."""

    def __init__(self, body: bytes, at: int = 0) -> None:
        self._body, self._at = body, at

    def number(self, size_bytes: int) -> int:
        """Return the next unsigned number."""
        end = self._at + size_bytes
        if end > len(self._body):
            raise ValueError("a list is cut short")
        value = int.from_bytes(self._body[self._at : end], "big")
        self._at = end
        return value

    def count(self, size_bytes: int) -> int:
        """Return the next number, which says how many entries follow."""
        if (value := self.number(size_bytes)) > _MOST_BOXES:
            raise ValueError("too many entries")
        return value


@dataclass
class _Item:
    """One item: what the boxes of `meta` say of it."""

    kind: bytes
    properties: list[Box] = field(default_factory=list)
    location: tuple[int, list[tuple[int, int]]] = (0, [])

    def last(self, kind: bytes) -> bytes:
        """Return the body of a property, empty for none."""
        return next((body for name, body in self.properties if name == kind), b"")

    @cached_property
    def stored(self) -> Size:
        """The size before transformations (`ispe`)."""
        return Size(*struct.unpack_from(">II", self.last(b"ispe"), 4))


class _Meta:
    """The items of a file's `meta` box."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._boxes = dict(read_boxes(dict(read_boxes(body)).get(b"meta", b"")[4:]))
        self._items = self._read_items()
        self._read_properties()
        self._read_locations()
        self._references = list(self._read_references())

    def header(self) -> HeifHeader:
        pitm = self._boxes.get(b"pitm", b"")
        number = _Reader(pitm, 4).number(4 if pitm[:1] > b"\x00" else 2)
        primary = self._item(number)
        coded, decoded_pixels = self._coded(number)
        alpha = next((other for other in self._auxiliaries(number) if self._is_alpha(other)), None)
        if alpha is not None:
            if self._item(alpha).stored.pixels > primary.stored.pixels:
                raise ValueError("its transparency is larger than its picture")
            decoded_pixels += self._coded(alpha)[1]
        size, orientation = _transformed(primary)
        profile, nclx = _colours(primary, coded)
        depth = (primary.last(b"pixi") or coded.last(b"pixi"))[5:6]
        return HeifHeader(
            size, orientation, decoded_pixels, coded.kind, depth[0] if depth else 0, alpha is not None, profile, nclx
        )

    def _item(self, number: int) -> _Item:
        if (item := self._items.get(number)) is None:
            raise ValueError("an item is missing")
        return item

    def _read_items(self) -> dict[int, _Item]:
        """Read `iinf` (ISO/IEC 14496-12, 8.11.6)."""
        iinf = self._boxes.get(b"iinf", b"")
        items = {}
        for kind, infe in read_boxes(iinf[8 if iinf[:1] > b"\x00" else 6 :]):
            if kind == b"infe" and infe[:1] in (b"\x02", b"\x03"):
                reader = _Reader(infe, 4)
                number = reader.number(2 if infe[0] == 2 else 4)  # noqa: PLR2004 -- the version
                reader.number(2)
                items[number] = _Item(reader.number(4).to_bytes(4, "big"))
        return items

    def _read_properties(self) -> None:
        """Read `iprp` (ISO/IEC 23008-12, 9.3)."""
        iprp = list(read_boxes(self._boxes.get(b"iprp", b"")))
        known = [box for kind, body in iprp if kind == b"ipco" for box in read_boxes(body)]
        for ipma in (body for kind, body in iprp if kind == b"ipma"):
            version, large = ipma[0], ipma[3] & 1
            reader = _Reader(ipma, 4)
            for _ in range(reader.count(4)):
                item = self._items.get(reader.number(4 if version else 2))
                for _ in range(reader.number(1)):
                    index = reader.number(2) & 0x7FFF if large else reader.number(1) & 0x7F
                    if index > len(known):
                        raise ValueError("a property is missing")
                    if item is not None and index:
                        item.properties.append(known[index - 1])

    def _read_locations(self) -> None:
        """Read `iloc` (ISO/IEC 14496-12, 8.11.3)."""
        iloc = self._boxes.get(b"iloc", b"")
        version = iloc[0]
        reader = _Reader(iloc, 4)
        sizes = reader.number(2)
        offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_bytes = sizes & 15 if version else 0
        wide = 4 if version > 1 else 2
        for _ in range(reader.count(wide)):
            number = reader.number(wide)
            method = reader.number(2) & 15 if version else 0
            reader.number(2)
            base = reader.number(base_bytes)
            extents = []
            for _ in range(reader.count(2)):
                reader.number(index_bytes)
                extents.append((base + reader.number(offset_bytes), reader.number(length_bytes)))
            if number in self._items:
                self._items[number].location = method, extents

    def _read_references(self) -> Iterator[tuple[bytes, int, list[int]]]:
        """Read `iref` (ISO/IEC 14496-12, 8.11.12)."""
        iref = self._boxes.get(b"iref", bytes(4))
        wide = 4 if iref[0] else 2
        for kind, body in read_boxes(iref[4:]):
            reader = _Reader(body)
            source = reader.number(wide)
            yield kind, source, [reader.number(wide) for _ in range(reader.number(2))]

    def _auxiliaries(self, number: int) -> list[int]:
        return [source for kind, source, targets in self._references if kind == b"auxl" and number in targets]

    def _is_alpha(self, number: int) -> bool:
        return self._item(number).last(b"auxC")[4:].split(b"\x00")[0] in _ALPHA

    def data(self, number: int) -> bytes:
        """Return an item's data. Raises ValueError where the file ends before it."""
        method, extents = self._item(number).location
        whole = self._boxes.get(b"idat", b"") if method else self._body
        if not extents or any(offset + length > len(whole) for offset, length in extents):
            raise ValueError("an item's data is cut short")
        return b"".join(whole[offset : offset + length] if length else whole[offset:] for offset, length in extents)

    def _coded(self, number: int) -> tuple[_Item, int]:
        """Return the item that is coded, of a grid its first tile, and the pixels that a decoder fills."""
        item = self._item(number)
        if item.kind != b"grid":
            self._check_codec(number)
            return item, item.stored.pixels
        lists = [targets for kind, source, targets in self._references if (kind, source) == (b"dimg", number)]
        tiles = lists[0] if lists else []
        version, flags, rows, columns = struct.unpack_from(">BBBB", self.data(number))
        size = Size(*struct.unpack_from(">II" if flags & 1 else ">HH", self.data(number), 4))
        rows, columns = rows + 1, columns + 1
        if version or size != item.stored or len(tiles) != rows * columns:
            raise ValueError("a grid is not as it says")
        for tile in set(tiles):
            self._check_codec(tile)
            wide, high = self._item(tile).stored.width_px, self._item(tile).stored.height_px
            if not (columns - 1) * wide < size.width_px <= columns * wide:
                raise ValueError("a grid's tiles are too wide, or not wide enough")
            if not (rows - 1) * high < size.height_px <= rows * high:
                raise ValueError("a grid's tiles are too high, or not high enough")
        return self._item(tiles[0]), size.pixels + sum(self._item(tile).stored.pixels for tile in tiles)

    def _check_codec(self, number: int) -> None:
        """Raise ValueError unless the bitstream of an item is there, and not much larger than the item."""
        item, data = self._item(number), self.data(number)
        spare_px = 0
        if item.kind == b"av01":
            sizes = [*read_av1_sizes(item.last(b"av1C")[4:]), *read_av1_sizes(data)]
        elif item.kind == b"hvc1":
            configuration, spare_px = item.last(b"hvcC"), _SPARE_PX
            sizes = [*read_hevc_sizes(configuration)]
            if has_parameter_sets(data, 1 + (configuration[21] & 3)):
                raise ValueError("its bitstream has parameter sets of its own")
        else:
            raise ValueError("a picture is neither AV1 nor HEVC")
        if not sizes:
            raise ValueError("its bitstream has no size")
        for width_px, height_px in sizes:
            if width_px > item.stored.width_px + spare_px or height_px > item.stored.height_px + spare_px:
                raise ValueError("its bitstream is larger than the picture")


def _transformed(item: _Item) -> tuple[Size, int]:
    """Return the size and the orientation after `clap`, `irot` and `imir`, in the order of the item's properties."""
    size, orientation = item.stored, 1
    for kind, body in item.properties:
        match kind:
            case b"clap":
                wide, wide_per, high, high_per = struct.unpack_from(">IIII", body)
                if not wide_per or not high_per or wide % wide_per or high % high_per:
                    raise ValueError("a clean aperture is not in whole pixels")
                size = Size(wide // wide_per, high // high_per)
                if size.width_px > item.stored.width_px or size.height_px > item.stored.height_px:
                    raise ValueError("a clean aperture is larger than its picture")
                least = Size(
                    max(1, item.stored.width_px // 2 - _SPARE_PX), max(1, item.stored.height_px // 2 - _SPARE_PX)
                )
                if size.width_px < least.width_px or size.height_px < least.height_px:
                    raise ValueError("a clean aperture leaves less than half of its picture")
            case b"irot":
                for _ in range(body[0] & 3):
                    turns = next(each for each in _TURNS.values() if orientation in each)
                    orientation = turns[(turns.index(orientation) + 1) % 4]
                    size = Size(size.height_px, size.width_px)
            case b"imir":
                orientation = _FLIPPED[orientation][body[0] & 1]
    return size, orientation


def _colours(*items: _Item) -> tuple[bytes, tuple[int, int, int] | None]:
    """Return the ICC profile and the numbers of `nclx` from the first item that has each (ISO/IEC 14496-12, 12.1.5)."""
    bodies = [body for item in items for kind, body in item.properties if kind == b"colr"]
    profile = next((body[4:] for body in bodies if body[:4] in (b"prof", b"rICC")), b"")
    nclx = next((struct.unpack_from(">HHH", body, 4) for body in bodies if body[:4] == b"nclx"), None)
    return profile, nclx
