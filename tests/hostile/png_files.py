"""Hostile PNGs (W3C PNG, third edition): bombs in each compressed chunk, absurd sizes, chunks without end, APNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from damage import Files, Make
from metadata_blocks import exif_blocks, icc_profiles, xmp_packets

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, INDEXED, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, INDEXED: 1, GREY_ALPHA: 2, RGBA: 4}
_MB = 2**20


def chunk(name: bytes, data: bytes = b"", *, length: int | None = None, crc: int = 0) -> bytes:
    """Return a chunk; `length` is what it says of its length instead of the truth, and a `crc` makes its CRC wrong."""
    size = struct.pack(">I", len(data) if length is None else length)
    return size + name + data + struct.pack(">I", zlib.crc32(name + data) ^ crc)


def header(width_px: int, height_px: int, bits: int = 8, kind: int = RGB, methods: bytes = b"\x00\x00\x00") -> bytes:
    """Return IHDR; `methods` are those of compression, filters and interlace."""
    return chunk(b"IHDR", struct.pack(">IIBB", width_px, height_px, bits, kind) + methods)


def png(*parts: bytes, end: bytes = chunk(b"IEND")) -> bytes:
    """Return a PNG of these chunks."""
    return b"".join([SIGNATURE, *parts, end])


def small(*extra: bytes, kind: int = RGB, bits: int = 8, after: bytes = b"") -> bytes:
    """Return a good PNG of 16x16 pixels with more chunks before its pixels, and after them."""
    return png(header(16, 16, bits, kind), *extra, chunk(b"IDAT", rows(16, 16, bits, kind)), after)


def rows(width_px: int, height_px: int, bits: int = 8, kind: int = RGB, filter: int = 0) -> bytes:
    """Return the compressed rows of a picture of zeros."""
    return deflated(height_px, bytes([filter]) + bytes(-(-width_px * CHANNELS.get(kind, 1) * bits // 8)))


def deflated(count: int, piece: bytes = bytes(_MB)) -> bytes:
    """Return `count` pieces, compressed, without ever holding more than a megabyte or a piece of them."""
    stream, at_once = zlib.compressobj(9), max(1, _MB // len(piece))
    parts = [stream.compress(piece * at_once) for _ in range(count // at_once)]
    return b"".join([*parts, stream.compress(piece * (count % at_once)), stream.flush()])


@cache
def gigabyte() -> bytes:
    """Return a gigabyte of zeros, compressed to a megabyte."""
    return deflated(1024)


def _sizes() -> Iterator[tuple[str, Make]]:
    for width_px, height_px in ((0, 0), (0, 16), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (1, 2**31), (1_000_001, 1)):
        yield (
            f"{width_px}x{height_px} without data",
            lambda w=width_px, h=height_px: png(header(w, h), chunk(b"IDAT", rows(16, 16))),
        )
    for width_px, height_px, bits, kind in (
        (30_000, 30_000, 1, GREY),
        (7000, 7000, 1, GREY),
        (7000, 7000, 16, RGBA),
        (1_000_000, 49, 8, RGB),
        (49, 1_000_000, 8, RGB),
        (20_000, 20_000, 1, INDEXED),
    ):
        yield (
            f"{width_px}x{height_px} of {bits} bits and kind {kind}",
            lambda w=width_px, h=height_px, b=bits, k=kind: png(
                header(w, h, b, k),
                *([chunk(b"PLTE", bytes(6))] if k == INDEXED else []),
                chunk(b"IDAT", rows(w, h, b, k)),
            ),
        )
    yield (
        "7000x7000, interlaced, without data",
        lambda: png(header(7000, 7000, 16, RGBA, b"\x00\x00\x01"), chunk(b"IDAT", rows(16, 16))),
    )
    yield (
        "7000x7000, interlaced, of too many rows",
        lambda: png(header(7000, 7000, 8, GREY, b"\x00\x00\x01"), chunk(b"IDAT", rows(7000, 20_000, 8, GREY))),
    )
    for width_px, height_px in ((1, 1), (1, 7), (5, 1), (16, 16)):
        yield (
            f"{width_px}x{height_px}, interlaced",
            lambda w=width_px, h=height_px: png(
                header(w, h, 8, RGB, b"\x00\x00\x01"), chunk(b"IDAT", rows(w, 2 * h + 4))
            ),
        )


def _headers() -> Iterator[tuple[str, Make]]:
    for bits, kind in ((0, 0), (3, 0), (32, 0), (255, 2), (1, 2), (4, 6), (16, 3), (8, 1), (8, 5), (8, 7), (8, 255)):
        yield (
            f"{bits} bits of kind {kind}",
            lambda b=bits, k=kind: png(header(16, 16, b, k), chunk(b"IDAT", rows(16, 16))),
        )
    for methods in (b"\x01\x00\x00", b"\x00\x01\x00", b"\x00\x40\x00", b"\x00\x00\x02", b"\xff\xff\xff"):
        yield f"methods {methods.hex()}", lambda m=methods: png(header(16, 16, methods=m), chunk(b"IDAT", rows(16, 16)))
    yield "two headers", lambda: small(header(60_000, 60_000))
    yield "a header behind the pixels", lambda: png(chunk(b"IDAT", rows(16, 16)), header(16, 16))
    yield (
        "a header of Apple's",
        lambda: png(chunk(b"CgBI", bytes(4)), header(16, 16), chunk(b"IDAT", rows(16, 16)[2:-4])),
    )
    yield "a header that is too short", lambda: png(chunk(b"IHDR", bytes(12)), chunk(b"IDAT", rows(16, 16)))
    yield (
        "a header that is too long",
        lambda: png(chunk(b"IHDR", header(16, 16)[8:-4] + b"\x00"), chunk(b"IDAT", rows(16, 16))),
    )
    yield "a header with a wrong checksum", lambda: png(header(16, 16)[:-1] + b"\x00", chunk(b"IDAT", rows(16, 16)))
    yield "the end first", lambda: png(chunk(b"IEND"), header(16, 16), chunk(b"IDAT", rows(16, 16)))
    yield "the signature only", lambda: SIGNATURE


def _pixels() -> Iterator[tuple[str, Make]]:
    whole, head = rows(16, 16), header(16, 16)
    yield "no pixels", lambda: png(head)
    yield "a chunk of no pixels", lambda: png(head, chunk(b"IDAT"))
    yield "60,000 chunks of no pixels", lambda: png(head, chunk(b"IDAT") * 60_000, chunk(b"IDAT", whole))
    yield "200,000 chunks of no pixels", lambda: png(head, chunk(b"IDAT") * 200_000, chunk(b"IDAT", whole))
    yield "a chunk for each byte of the pixels", lambda: png(head, *(chunk(b"IDAT", bytes([each])) for each in whole))
    yield "65,536 chunks", lambda: small(chunk(b"aBCd") * 65_536)
    yield "300,000 chunks", lambda: small(chunk(b"aBCd") * 300_000)
    yield "a gigabyte of rows", lambda: png(head, chunk(b"IDAT", gigabyte()))
    yield "a gigabyte of rows with a wrong checksum", lambda: png(head, chunk(b"IDAT", gigabyte(), crc=1))
    yield "a gigabyte behind the rows", lambda: png(head, chunk(b"IDAT", whole), chunk(b"IDAT", gigabyte()))
    yield "pixels that are not zlib's", lambda: png(head, chunk(b"IDAT", b"\x00" * 64))
    yield "pixels with a dictionary", lambda: png(head, chunk(b"IDAT", b"\x78\xbb\x00\x00\x00\x01" + whole[2:]))
    yield "pixels with a window of 64 KB", lambda: png(head, chunk(b"IDAT", b"\x88\x1c" + whole[2:]))
    yield "pixels with a wrong Adler-32", lambda: png(head, chunk(b"IDAT", whole[:-1] + b"\x7f"))
    yield "pixels with both checksums wrong", lambda: png(head, chunk(b"IDAT", whole[:-1] + b"\x7f", crc=1))
    yield (
        "stored blocks of no bytes",
        lambda: png(head, chunk(b"IDAT", b"\x78\x01" + b"\x00\x00\x00\xff\xff" * 200_000)),
    )
    yield "a distance beyond the start", lambda: png(head, chunk(b"IDAT", b"\x78\x01\x4b\x04\x02\x00\xff\xff"))
    for filter in (5, 127, 255):
        yield f"rows of the filter {filter}", lambda f=filter: png(head, chunk(b"IDAT", rows(16, 16, filter=f)))
    yield "half of the rows", lambda: png(head, chunk(b"IDAT", rows(16, 8)))
    yield "pixels in two places", lambda: small(after=chunk(b"tEXt", b"a\x00b") + chunk(b"IDAT", whole))


def _chunks() -> Iterator[tuple[str, Make]]:
    for length in (2**32 - 1, 2**31, 2**31 - 1, 2**24, 2**32 - 12, 2**32 - 8):
        yield f"a chunk that says it is {length} long", lambda n=length: small(chunk(b"tEXt", b"a\x00b", length=n))
        yield (
            f"pixels that say they are {length} long",
            lambda n=length: png(header(16, 16), chunk(b"IDAT", rows(16, 16), length=n)),
        )
    for name in (b"ABCD", b"abcd", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"    ", b"ID\x00T", b"MHDR", b"JHDR"):
        yield f"a chunk of the name {name.hex()}", lambda n=name: small(chunk(n, b"data"))
    for size in (0, 1, 3, 4, 768, 771, 3000):
        yield f"a palette of {size} bytes", lambda n=size: small(chunk(b"PLTE", bytes(n)), kind=INDEXED)
    yield "no palette", lambda: small(kind=INDEXED)
    yield "two palettes", lambda: small(chunk(b"PLTE", bytes(6)), chunk(b"PLTE", bytes(768)), kind=INDEXED)
    yield "a palette behind the pixels", lambda: small(after=chunk(b"PLTE", bytes(6)), kind=INDEXED)
    yield (
        "indices beyond the palette",
        lambda: png(
            header(16, 16, 8, INDEXED),
            chunk(b"PLTE", bytes(6)),
            chunk(b"IDAT", zlib.compress((b"\x00" + b"\xff" * 16) * 16)),
        ),
    )
    for kind, size in ((INDEXED, 0), (INDEXED, 500), (RGB, 1), (RGB, 7), (GREY, 9), (RGBA, 6)):
        yield (
            f"transparency of {size} bytes in kind {kind}",
            lambda k=kind, n=size: small(chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(n)), kind=k),
        )
    for name in (
        b"gAMA",
        b"cHRM",
        b"sBIT",
        b"hIST",
        b"bKGD",
        b"pHYs",
        b"tIME",
        b"cICP",
        b"sRGB",
        b"sPLT",
        b"oFFs",
        b"sCAL",
    ):
        for data in (b"", bytes(4), b"\xff" * 32):
            yield f"{name.decode()} {data[:4].hex()} of {len(data)} bytes", lambda n=name, d=data: small(chunk(n, d))
    for gamma in (0, 1, 15, 2**31, 2**32 - 1):
        yield f"a gamma of {gamma}", lambda g=gamma: small(chunk(b"gAMA", struct.pack(">I", g)))
    for point in (0, 1, 2**31 - 1):
        yield f"chromaticities of {point}", lambda p=point: small(chunk(b"cHRM", struct.pack(">8I", *[p] * 8)))
    for code in (0, 2, 3, 9, 16, 18, 255):
        yield f"coding-independent code points of {code}", lambda c=code: small(chunk(b"cICP", bytes([c, c, 0, 1])))


def _metadata() -> Iterator[tuple[str, Make]]:
    yield "a compressed text of a gigabyte", lambda: small(chunk(b"zTXt", b"a\x00\x00" + gigabyte()))
    yield "an international text of a gigabyte", lambda: small(chunk(b"iTXt", b"a\x00\x01\x00\x00\x00" + gigabyte()))
    yield "a profile of a gigabyte", lambda: small(chunk(b"iCCP", b"a\x00\x00" + gigabyte()))
    yield "a palette of a gigabyte", lambda: small(chunk(b"sPLT", b"a\x00\x08" + gigabyte()))
    yield "1000 texts of a megabyte", lambda: small(chunk(b"zTXt", b"a\x00\x00" + deflated(1)) * 1000)
    yield "texts behind the pixels", lambda: small(after=chunk(b"zTXt", b"a\x00\x00" + deflated(1)) * 1000)
    for kind in ("8bim", "exif", "icc", "iptc", "xmp", "APP1", "generic profile"):
        for size in ("-5", "99999999999", "0", "4"):
            text = f"Raw profile type {kind}\0\n{kind}\n  {size}\n41414141".encode()
            yield f"a text that is a profile {kind} of {size} bytes", lambda t=text: small(chunk(b"tEXt", t))
            yield (
                f"a compressed text that is a profile {kind} of {size} bytes",
                lambda t=text: small(
                    chunk(b"zTXt", t.partition(b"\x00")[0] + b"\x00\x00" + zlib.compress(t.partition(b"\x00")[2]))
                ),
            )
    yield "a profile without a name", lambda: small(chunk(b"iCCP", b"\x00\x00" + zlib.compress(bytes(200))))
    yield "a profile that is not zlib's", lambda: small(chunk(b"iCCP", b"a\x00\x00" + bytes(200)))
    yield "a profile of an unknown compression", lambda: small(chunk(b"iCCP", b"a\x00\x07" + zlib.compress(bytes(200))))
    for name, block in exif_blocks():
        yield f"EXIF {name}", lambda b=block: small(chunk(b"eXIf", b))
    for name, profile in icc_profiles():
        yield f"a profile {name}", lambda p=profile: small(chunk(b"iCCP", b"a\x00\x00" + zlib.compress(p)))
    for name, packet in xmp_packets():
        yield f"XMP {name}", lambda p=packet: small(chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + p))


def control(number: int, width_px: int, height_px: int, left_px: int = 0, disposal: int = 0) -> bytes:
    """Return the control chunk of a frame of an APNG."""
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width_px, height_px, left_px, 0, 0, 0, disposal, 0))


def _animations() -> Iterator[tuple[str, Make]]:
    data = rows(16, 16)
    frame = control(1, 16, 16) + chunk(b"fdAT", b"\x00\x00\x00\x02" + data)
    yield "an APNG", lambda: small(chunk(b"acTL", bytes(7) + b"\x02"), control(0, 16, 16), after=frame)
    yield "an APNG of 4 billion frames", lambda: small(chunk(b"acTL", b"\xff" * 8), control(0, 16, 16), after=frame)
    yield "an APNG of no frames", lambda: small(chunk(b"acTL", bytes(8)), control(0, 16, 16))
    yield "an APNG of 20,000 frames", lambda: small(chunk(b"acTL", bytes(6) + b"\x4e\x20"), after=frame * 20_000)
    yield (
        "an APNG with a frame outside of its canvas",
        lambda: small(
            chunk(b"acTL", bytes(7) + b"\x02"), control(0, 2**31 - 1, 2**31 - 1, 2**31 - 1, 255), after=frame
        ),
    )
    yield "an APNG whose frames come before its pixels", lambda: small(chunk(b"acTL", bytes(7) + b"\x02"), frame)
    yield "an APNG without pixels", lambda: png(header(16, 16), chunk(b"acTL", bytes(7) + b"\x02"), frame)
    yield (
        "an APNG with a frame of a gigabyte",
        lambda: small(
            chunk(b"acTL", bytes(7) + b"\x02"), after=control(1, 16, 16) + chunk(b"fdAT", bytes(4) + gigabyte())
        ),
    )
    yield "an APNG whose numbers are wrong", lambda: small(chunk(b"acTL", bytes(7) + b"\x02"), after=frame + frame)
    yield (
        "a frame chunk of one byte",
        lambda: small(chunk(b"acTL", b"\x00"), chunk(b"fcTL", b"\x00"), chunk(b"fdAT", b"\x00")),
    )


def files() -> Files:
    """Return the PNGs by name."""
    groups = (_sizes(), _headers(), _pixels(), _chunks(), _metadata(), _animations())
    return {f"png: {name}": make for group in groups for name, make in group}
