"""What hostile pictures of every format carry beside their pixels: EXIF, ICC profiles and XMP."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_RGB_HEADER = b"lcms\x04\x20\x00\x00mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(24) + b"\x00\x00\xf6\xd6" + bytes(56)


def ifd(*entries: tuple[int, int, int, int], after: int = 0) -> bytes:
    """Return an EXIF directory of (tag, kind, count, value), and the offset of the next one."""
    rows = (struct.pack(">HHII", *entry) for entry in entries)
    return struct.pack(">H", len(entries)) + b"".join(rows) + struct.pack(">I", after)


def exif_blocks() -> Iterator[tuple[str, bytes]]:
    """Yield EXIF blocks that loop, lie about their sizes, or name an orientation that none is."""
    head = b"MM\x00*\x00\x00\x00\x08"
    yield "whose directory comes again", head + ifd((0x0112, 3, 1, 6 << 16), after=8)
    yield "whose directory is its own child", head + ifd((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8))
    yield "with a directory of 65535 entries", head + b"\xff\xff" + bytes(200)
    yield "whose directory is beyond the end", b"MM\x00*\xff\xff\xff\xf0"
    yield "whose directory overlaps its head", b"II*\x00\x00\x00\x00\x00"
    yield "with a thumbnail of 4 GB", head + ifd((0x0201, 4, 1, 2**32 - 1), (0x0202, 4, 1, 2**32 - 1))
    yield "with counts of 4 billion", head + ifd(*((0x010F + n, 2, 2**32 - 1, 2**31) for n in range(50)))
    yield "of kind 0 and 65535", head + ifd((0x0112, 0, 1, 6 << 16), (0x0112, 65535, 1, 6 << 16))
    for orientation in (0, 9, 255, 65535):
        yield f"with the orientation {orientation}", head + ifd((0x0112, 3, 1, orientation << 16))
    yield "with the orientation 5000 times", head + ifd(*((0x0112, 3, 2, n << 16) for n in range(5000)))
    yield "of a wrong byte order", b"XX\x00*\x00\x00\x00\x08" + ifd((0x0112, 3, 1, 6 << 16))
    yield "of no bytes", b""
    yield "of its name twice", b"Exif\x00\x00" + head + ifd((0x0112, 3, 1, 6 << 16))


def profile(tags: list[tuple[bytes, bytes]], *, count: int | None = None, size_bytes: int | None = None) -> bytes:
    """Return an RGB profile; `count` and `size_bytes` are what its header says instead of the truth."""
    at, rows, data = 128 + 4 + 12 * len(tags), [], []
    for name, body in tags:
        rows.append(struct.pack(">4sII", name, at, len(body)))
        data.append(body)
        at += len(body)
    table = struct.pack(">I", len(tags) if count is None else count) + b"".join([*rows, *data])
    return struct.pack(">I", at if size_bytes is None else size_bytes) + _RGB_HEADER + table


def icc_profiles() -> Iterator[tuple[str, bytes]]:
    """Yield ICC profiles that make a colour engine allocate, loop or compute."""
    curve = b"curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33\x00\x00"
    place = b"XYZ \x00\x00\x00\x00" + struct.pack(">iii", 30000, 30000, 30000)
    matrix = [(b"rXYZ", place), (b"gXYZ", place), (b"bXYZ", place)]
    curves = [(b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]
    grid = b"mft2\x00\x00\x00\x00\x03\x03\xff\x00" + bytes(36) + b"\xff\xff\xff\xff" + bytes(999)
    stages = b"mAB \x00\x00\x00\x00\x03\x03\x00\x00" + 5 * b"\x00\x00\x00\x20" + 16 * b"\xff" + b"\x02" + bytes(99)
    process = b"mpet\x00\x00\x00\x00\x00\x03\x00\x03\xff\xff\xff\xff" + bytes(999)
    yield "of no bytes", b""
    yield "of its header only", profile([])
    yield "of equal primaries", profile(matrix + curves)
    yield "with 4 billion tags", profile(matrix + curves, count=2**32 - 1)
    yield "that says it has 4 GB", profile(matrix + curves, size_bytes=2**32 - 1)
    yield "that says it has no bytes", profile(matrix + curves, size_bytes=0)
    yield "with the same tag 100 times", profile(100 * [(b"rTRC", curve)])
    yield "with a grid of 255 points a side", profile([(b"A2B0", grid), *matrix, *curves])
    yield "with a grid of 16 dimensions", profile([(b"A2B0", stages), *matrix, *curves])
    yield "with 4 billion elements", profile([(b"D2B0", process), *matrix, *curves])
    yield (
        "with a curve of 4 billion points",
        profile([*matrix, *((name, b"curv\x00\x00\x00\x00\xff\xff\xff\xff" + bytes(99)) for name, _ in curves)]),
    )
    yield (
        "with a parametric curve of an unknown kind",
        profile([*matrix, *((name, b"para\x00\x00\x00\x00\xff\xff\x00\x00" + bytes(28)) for name, _ in curves)]),
    )
    yield "of zero primaries", profile([*((name, place[:8] + bytes(12)) for name, _ in matrix), *curves])
    yield "with tags at the end of memory", profile(matrix + curves)[:132] + 6 * b"rTRC\xff\xff\xff\xff\xff\xff\xff\xff"


def xmp_packets() -> Iterator[tuple[str, bytes]]:
    """Yield XMP packets that an XML reader expands, follows, or nests without end."""
    entities = "".join(f'<!ENTITY e{n} "{10 * f"&e{n - 1};"}">' for n in range(1, 10))
    yield "of a billion laughs", f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x>&e9;</x>'.encode()
    yield (
        "of a file",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&e;</x:xmpmeta>',
    )
    yield "of a URL", b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>'
    yield "nested 9000 deep", b"<a>" * 9000 + b"</a>" * 9000
    yield "of no bytes", b""
