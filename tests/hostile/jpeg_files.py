"""Hostile JPEGs (ITU-T T.81): scans without end, sizes without data, processes that browsers lack, wrong tables."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from damage import Files, Make
from metadata_blocks import exif_blocks, icc_profiles, xmp_packets

BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, ARITHMETIC, ARITHMETIC_PROGRESSIVE = 0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
QUANTISATION = b"\x00" + bytes([1] * 64)
ONE_CODE = b"\x01" + bytes(15) + b"\x00"
"""A Huffman table with one code, of one bit, for the symbol 0: zeros are as many blocks as a decoder wants."""
WHOLE = (0, 63, 0)
"""The spectral selection and the bit positions of a sequential scan."""


def segment(marker: int, data: bytes, length: int | None = None) -> bytes:
    """Return a segment; `length` is what it says of its own length instead of the truth."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2 if length is None else length) + data


def frame(
    width_px: int,
    height_px: int,
    process: int = BASELINE,
    *,
    bits: int = 8,
    components: int = 1,
    sampling: Sequence[int] = (0x11,),
) -> bytes:
    """Return a frame header; the components take the sampling factors in turn."""
    each = (struct.pack("BBB", n + 1, sampling[n % len(sampling)], 0) for n in range(components))
    return segment(process, struct.pack(">BHHB", bits, height_px, width_px, components) + b"".join(each))


def scan(data: bytes, selection: Sequence[int] = WHOLE, components: Sequence[int] = (1,)) -> bytes:
    """Return a scan of these components, with its codes."""
    names = b"".join(bytes([each, 0]) for each in components)
    return segment(0xDA, bytes([len(components)]) + names + bytes(selection)) + data


def tables(dc: bytes = ONE_CODE, ac: bytes = ONE_CODE) -> bytes:
    """Return a quantisation table and two Huffman tables."""
    return segment(0xDB, QUANTISATION) + segment(0xC4, b"\x00" + dc + b"\x10" + ac)


def jpeg(*parts: bytes, codes: int = 64) -> bytes:
    """Return a grey baseline JPEG of 16x16 pixels, with more parts between its header and its scan."""
    return b"".join([SOI, tables(), frame(16, 16), *parts, scan(bytes(codes)), EOI])


def scans(width_px: int, height_px: int, count: int, selection: Sequence[int] = (1, 63, 0)) -> bytes:
    """Return a progressive JPEG with a scan of the first coefficients, and `count` scans of the others.

    Each scan says in a few bytes that all its blocks are empty, and a decoder looks at each of them.
    """
    blocks = -(-width_px // 8) * -(-height_px // 8)
    runs = b"\x01" + bytes(15) + b"\xe0"  # a run of 2**14 empty blocks, and 14 more bits
    empty = bytes(15 * -(-blocks >> 14) // 8 + 2)
    head = SOI + tables(ac=runs) + frame(width_px, height_px, PROGRESSIVE)
    return head + scan(bytes(blocks // 8 + 1), (0, 0, 0)) + count * scan(empty, selection) + EOI


def sized(width_px: int, height_px: int, codes: int = 100, process: int = BASELINE) -> bytes:
    """Return a JPEG of any size with so many bytes of codes."""
    return SOI + tables() + frame(width_px, height_px, process) + scan(bytes(codes)) + EOI


def _sizes() -> Iterator[tuple[str, Make]]:
    for width_px, height_px in ((65500, 65500), (65535, 65535), (65535, 1), (1, 65535), (7000, 7000), (0, 0), (0, 9)):
        yield f"{width_px}x{height_px} without data", lambda w=width_px, h=height_px: sized(w, h)
    yield (
        "a height that only a DNL marker tells",
        lambda: SOI + tables() + frame(16, 0) + scan(bytes(64)) + segment(0xDC, struct.pack(">H", 16)) + EOI,
    )
    yield "7000x7000 of one colour", lambda: sized(7000, 7000, 2 * 875 * 875 // 8 + 1)
    yield "49 megapixels, progressive, of one colour", lambda: scans(7000, 7000, 1)


def _scans() -> Iterator[tuple[str, Make]]:
    for side_px, count in ((7000, 60), (7000, 1000), (3900, 20_000), (512, 20_000), (8, 99_000), (8, 150_000)):
        yield f"{count} scans of {side_px}x{side_px}", lambda s=side_px, c=count: scans(s, s, c)
    yield "1000 refining scans of 3900x3900", lambda: scans(3900, 3900, 1000, (1, 63, 0xDC))
    for selection in ((63, 1, 0), (0, 63, 0), (1, 255, 0), (1, 63, 0xFF), (1, 63, 0x0E), (64, 64, 0)):
        yield f"scans of the coefficients {selection}", lambda s=selection: scans(64, 64, 20, s)
    yield (
        "a scan of a component that is missing",
        lambda: SOI + tables() + frame(16, 16) + scan(bytes(9), components=(7,)) + EOI,
    )
    yield "a scan of no component", lambda: SOI + tables() + frame(16, 16) + scan(bytes(9), components=()) + EOI
    yield (
        "a scan of a component twice",
        lambda: SOI + tables() + frame(16, 16, components=3) + scan(bytes(99), components=(1, 1, 1)) + EOI,
    )
    yield "a scan of 255 components", lambda: SOI + tables() + frame(16, 16) + scan(b"", components=range(1, 128)) + EOI
    yield "restart markers after each block, and none there", lambda: jpeg(segment(0xDD, b"\x00\x01"))
    yield (
        "49 megapixels with a restart after each block",
        lambda: SOI + tables() + frame(7000, 7000) + segment(0xDD, b"\x00\x01") + scan(b"\x3f\xff\xd0" * 10_000) + EOI,
    )
    yield "restart markers in a wrong order", lambda: jpeg(segment(0xDD, b"\x00\x01"))[:-66] + b"\x3f\xff\xd7" * 9 + EOI


def _processes() -> Iterator[tuple[str, Make]]:
    for process in (EXTENDED, LOSSLESS, 0xC5, 0xC6, 0xC7, 0xC8, ARITHMETIC, ARITHMETIC_PROGRESSIVE, 0xCB, 0xCD, 0xCF):
        yield f"process {process:x}", lambda p=process: sized(16, 16, process=p)
    yield "arithmetic coding of 49 megapixels", lambda: sized(7000, 7000, process=ARITHMETIC)
    yield (
        "1000 arithmetic scans of 3900x3900",
        lambda: SOI + tables() + frame(3900, 3900, ARITHMETIC_PROGRESSIVE) + 1000 * scan(b"", (1, 63, 0)) + EOI,
    )
    for bits in (0, 1, 2, 7, 9, 12, 16, 255):
        yield (
            f"{bits} bits a sample",
            lambda b=bits: SOI + tables() + frame(16, 16, EXTENDED, bits=b) + scan(bytes(64)) + EOI,
        )
    for count in (0, 2, 4, 5, 10, 255):
        yield (
            f"{count} components",
            lambda c=count: (
                SOI
                + tables()
                + frame(16, 16, components=c)
                + scan(bytes(400), components=range(1, min(c, 4) + 1))
                + EOI
            ),
        )
    for sampling in ((0,), (0x55,), (0xFF,), (0x44, 0x11), (0x11, 0x44), (0x31, 0x12, 0x24), (0x10, 0x01)):
        name = " ".join(f"{each:x}" for each in sampling)
        yield (
            f"sampling factors {name}",
            lambda s=sampling: (
                SOI + tables() + frame(64, 64, components=3, sampling=s) + scan(bytes(900), components=(1, 2, 3)) + EOI
            ),
        )


def _tables() -> Iterator[tuple[str, Make]]:
    full = bytes([255] * 16) + bytes(range(256)) * 16
    tables_of = {
        "more codes than fit": b"\x03" + bytes(15) + b"\x00\x01\x02",
        "4080 codes": full,
        "no code": bytes(16),
        "codes without symbols": b"\x10" * 16,
        "symbols of 255": b"\x01" + bytes(15) + b"\xff",
        "codes of 16 bits": bytes(15) + b"\xff" + bytes(range(255)),
    }
    for name, table in tables_of.items():
        yield (
            f"a Huffman table with {name}",
            lambda t=table: SOI + tables(dc=t, ac=t) + frame(64, 64) + scan(bytes(range(255)) * 4) + EOI,
        )
    yield "no tables at all", lambda: SOI + frame(16, 16) + scan(bytes(64)) + EOI
    yield "Huffman tables of class 15", lambda: jpeg(segment(0xC4, b"\xff" + ONE_CODE))
    yield "50,000 Huffman tables", lambda: jpeg(segment(0xC4, b"\x00" + ONE_CODE) * 50_000)
    yield "50,000 quantisation tables", lambda: jpeg(segment(0xDB, QUANTISATION) * 50_000)
    yield "a quantisation table of zeros", lambda: jpeg(segment(0xDB, bytes(65)))
    yield "a quantisation table with 16 bits and the number 15", lambda: jpeg(segment(0xDB, b"\x1f" + b"\xff" * 128))
    yield "an arithmetic conditioning table", lambda: jpeg(segment(0xCC, b"\x00\xff\x10\xff"))


def _segments() -> Iterator[tuple[str, Make]]:
    for length in (0, 1, 2, 3, 65535):
        yield f"a comment that says it is {length} long", lambda n=length: jpeg(segment(0xFE, b"abc", n))
        yield (
            f"a frame header that says it is {length} long",
            lambda n=length: (
                SOI + tables() + frame(16, 16)[:2] + struct.pack(">H", n) + frame(16, 16)[4:] + scan(bytes(9)) + EOI
            ),
        )
    yield "90,000 empty comments", lambda: jpeg(segment(0xFE, b"") * 90_000)
    yield "200,000 empty comments", lambda: jpeg(segment(0xFE, b"") * 200_000)
    yield "300 comments of 64 KB", lambda: jpeg(segment(0xFE, bytes(65533)) * 300)
    yield "a megabyte of fill bytes", lambda: SOI + b"\xff" * 2**20 + jpeg()[2:]
    yield "a megabyte of bytes that are no marker", lambda: SOI + b"\xff\x00" * 2**19
    yield "the start only", lambda: SOI + b"\xff"
    yield "the start, 100,000 times", lambda: SOI * 100_000
    yield "no scan", lambda: SOI + tables() + frame(16, 16) + EOI
    yield "a scan before the frame", lambda: SOI + tables() + scan(bytes(9)) + frame(16, 16) + EOI
    yield "two frames", lambda: jpeg(frame(65000, 65000))
    yield "two frames, the second one progressive", lambda: jpeg(frame(16, 16, PROGRESSIVE))
    yield "a picture in its own APP1", lambda: jpeg(segment(0xE1, b"Exif\x00\x00" + jpeg()))
    yield (
        "Photoshop resources of a negative size",
        lambda: jpeg(segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\xff\xff\xff\xfb" + bytes(20))),
    )
    for data in (b"", b"\x00", b"\x00d\x00\x00\x00\x00\xff", b"\x00d\x00\x00\x00\x00\x02"):
        yield (
            f"an Adobe segment {data.hex()}",
            lambda d=data: (
                SOI
                + segment(0xEE, b"Adobe" + d)
                + tables()
                + frame(16, 16, components=4)
                + scan(bytes(400), components=(1, 2, 3, 4))
                + EOI
            ),
        )
    yield (
        "JFIF with a thumbnail that is missing",
        lambda: jpeg(segment(0xE0, b"JFIF\x00\x01\x02\x00\x00\x01\x00\x01\xff\xff")),
    )


def _metadata() -> Iterator[tuple[str, Make]]:
    for name, block in exif_blocks():
        yield f"EXIF {name}", lambda b=block: jpeg(segment(0xE1, b"Exif\x00\x00" + b[:65000]))
    for name, packet in xmp_packets():
        yield f"XMP {name}", lambda p=packet: jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + p[:65000]))
    for name, profile in icc_profiles():
        yield f"a profile {name}", lambda p=profile: jpeg(*profile_parts(p))
    part = b"ICC_PROFILE\x00"
    yield (
        "255 parts of a profile, each the first",
        lambda: jpeg(segment(0xE2, part + b"\x01\x01" + bytes(60_000)) * 255),
    )
    yield "a profile of 255 parts and one is there", lambda: jpeg(segment(0xE2, part + b"\x01\xff" + bytes(999)))
    yield "a profile of no parts", lambda: jpeg(segment(0xE2, part + b"\x00\x00"), segment(0xE2, part))


def profile_parts(profile: bytes) -> list[bytes]:
    """Return the segments of an ICC profile."""
    parts = [profile[start : start + 65_000] for start in range(0, len(profile), 65_000)][:255]
    heads = (b"ICC_PROFILE\x00" + bytes([number, len(parts)]) for number in range(1, len(parts) + 1))
    return [segment(0xE2, head + part) for head, part in zip(heads, parts, strict=True)]


def files() -> Files:
    """Return the JPEGs by name."""
    groups = (_sizes(), _scans(), _processes(), _tables(), _segments(), _metadata())
    return {f"jpeg: {name}": make for group in groups for name, make in group}
