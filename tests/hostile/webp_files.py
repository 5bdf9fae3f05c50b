"""Hostile WebPs (RFC 9649, RFC 6386): lies about sizes, wrong VP8X, ALPH and ANIM chunks, huge colour caches."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from damage import Files, Make
from metadata_blocks import exif_blocks, icc_profiles, xmp_packets

ICC, ALPHA, EXIF, XMP, ANIMATED = 0x20, 0x10, 0x08, 0x04, 0x02
_SIMPLE = [(0b101, 3), (0x80, 8)]
"""A prefix code of one symbol, which takes no bits."""
_CODES = [*_SIMPLE * 4, (0b001, 3), (0, 1)]


def chunk(name: bytes, data: bytes, length: int | None = None) -> bytes:
    """Return a chunk; `length` is what it says of its length instead of the truth."""
    return name + struct.pack("<I", len(data) if length is None else length) + data + bytes(len(data) % 2)


def webp(*chunks: bytes, size: int | None = None) -> bytes:
    """Return a WebP of these chunks; `size` is what it says of its size instead of the truth."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def u24(number: int) -> bytes:
    """Return a number in three bytes."""
    return number.to_bytes(3, "little")


def extended(flags: int, width_px: int = 16, height_px: int = 16) -> bytes:
    """Return a VP8X chunk."""
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + u24(width_px - 1) + u24(height_px - 1))


def bits(fields: Iterable[tuple[int, int]], rest: bytes = b"") -> bytes:
    """Return values of so many bits each, the first one in the lowest bits, and more bytes."""
    number = at = 0
    for value, width in fields:
        number |= value << at
        at += width
    return number.to_bytes(-(-at // 8), "little") + rest


def lossless(
    width_px: int = 16,
    height_px: int = 16,
    fields: Iterable[tuple[int, int]] = ((0, 1), (0, 1), (0, 1), *_CODES),
    version: int = 0,
    rest: bytes = b"",
) -> bytes:
    """Return a VP8L chunk: its header, then `fields`, by default no transform, no cache and a single colour."""
    head = [(width_px - 1, 14), (height_px - 1, 14), (1, 1), (version, 3)]
    return chunk(b"VP8L", b"\x2f" + bits([*head, *fields], rest))


def lossy(
    width_px: int = 16, height_px: int = 16, partition: int = 40, flags: int = 0, data: bytes = bytes(400)
) -> bytes:
    """Return a VP8 chunk: a key frame whose first partition says it has `partition` bytes."""
    tag = u24(flags ^ (0x10 | partition << 5))
    return chunk(b"VP8 ", tag + b"\x9d\x01\x2a" + struct.pack("<HH", width_px, height_px) + data)


def frame(
    *chunks: bytes,
    left_px: int = 0,
    top_px: int = 0,
    width_px: int = 16,
    height_px: int = 16,
    ms: int = 40,
    flags: int = 2,
) -> bytes:
    """Return an ANMF chunk; offsets are written as half of their value."""
    place = u24(left_px // 2) + u24(top_px // 2) + u24(width_px - 1) + u24(height_px - 1) + u24(ms)
    return chunk(b"ANMF", place + bytes([flags]) + b"".join(chunks))


def animation(
    *frames: bytes, width_px: int = 16, height_px: int = 16, start: bytes = chunk(b"ANIM", bytes(6))
) -> bytes:
    """Return an animated WebP."""
    return webp(extended(ANIMATED | ALPHA, width_px, height_px), start, *frames)


def _sizes() -> Iterator[tuple[str, Make]]:
    good = webp(lossless())
    for size in (0, 4, 5, 12, len(good) - 9, len(good) - 7, len(good), 2**31, 2**32 - 1, 2**32 - 10):
        yield f"a size of {size}", lambda n=size: webp(lossless(), size=n)
    for length in (0, 1, 9, 2**31, 2**32 - 1, 2**32 - 8, 2**32 - 16):
        yield f"a chunk that says it is {length} long", lambda n=length: webp(chunk(b"VP8L", lossless()[8:], n))
        yield f"a header that says it is {length} long", lambda n=length: webp(chunk(b"VP8X", bytes(10), n), lossless())
    yield "16384x16384, lossless, of one colour", lambda: webp(lossless(16384, 16384))
    yield "7000x7000, lossless, of one colour", lambda: webp(lossless(7000, 7000))
    yield "16383x16383, lossy, without data", lambda: webp(lossy(16383, 16383))
    yield "7000x7000, lossy, without data", lambda: webp(lossy(7000, 7000))
    yield "0x0, lossy", lambda: webp(lossy(0, 0))
    yield "lossy with scaling bits", lambda: webp(lossy(0xC010, 0xC010))
    for width_px, height_px in ((1, 1), (17, 16), (2**24, 2**24), (2**24, 1)):
        yield (
            f"a header of {width_px}x{height_px} over 16x16",
            lambda w=width_px, h=height_px: webp(extended(0, w, h), lossless()),
        )
        yield (
            f"an animation of {width_px}x{height_px}",
            lambda w=width_px, h=height_px: animation(frame(lossless()), frame(lossless()), width_px=w, height_px=h),
        )


def _pixels() -> Iterator[tuple[str, Make]]:
    for cache in (1, 11, 12, 15):
        yield (
            f"a colour cache of {cache} bits",
            lambda c=cache: webp(lossless(fields=[(0, 1), (1, 1), (c, 4), (0, 1), *_CODES])),
        )
    for entropy in (0, 7):
        yield (
            f"many prefix codes, for blocks of 2**{entropy + 2}, and a colour cache",
            lambda e=entropy: webp(
                lossless(
                    16384 // 4,
                    16384 // 4,
                    [(0, 1), (1, 1), (11, 4), (1, 1), (e, 3), (0, 1), *_CODES],
                    rest=b"\xff" * 4000,
                )
            ),
        )
    for kind in range(4):
        yield f"the transform {kind}", lambda k=kind: webp(lossless(fields=[(1, 1), (k, 2)], rest=bytes(300)))
        yield (
            f"the transform {kind} twice",
            lambda k=kind: webp(lossless(fields=[(1, 1), (k, 2), (1, 1), (k, 2)], rest=b"\xff" * 300)),
        )
    for version in (1, 7):
        yield f"lossless of the version {version}", lambda v=version: webp(lossless(version=v))
    for byte in (0, 0x55, 0xFF):
        yield f"lossless data of {byte}", lambda b=byte: webp(lossless(900, 900, rest=bytes([b]) * 20_000))
        yield f"lossless codes of {byte}", lambda b=byte: webp(lossless(900, 900, [], rest=bytes([b]) * 20_000))
        yield f"lossy data of {byte}", lambda b=byte: webp(lossy(900, 900, data=bytes([b]) * 20_000))
    for partition in (0, 400, 401, 2**19 - 1):
        yield f"a first partition of {partition} bytes", lambda p=partition: webp(lossy(partition=p))
    for flags in (0x01, 0x02, 0x0E, 0x10):
        yield f"a lossy frame with the flags {flags:x} inverted", lambda f=flags: webp(lossy(flags=f))
    yield "lossy without a start code", lambda: webp(lossy().replace(b"\x9d\x01\x2a", b"\x00\x00\x00"))
    yield "lossless without a signature", lambda: webp(lossless().replace(b"\x2f", b"\x2e", 1))
    yield "a picture of both kinds", lambda: webp(lossy(), lossless())
    yield "no picture", webp
    yield "pixels of no bytes", lambda: webp(chunk(b"VP8L", b""))


def _alpha() -> Iterator[tuple[str, Make]]:
    picture = lossy()
    for name, data in (
        ("no bytes", b""),
        ("its header only", b"\x00"),
        ("too few bytes", b"\x00" + bytes(9)),
        ("too many bytes", b"\x00" + bytes(99_999)),
        ("an unknown compression", b"\x03" + bytes(256)),
        ("all bits of its header", b"\xff" + bytes(256)),
        ("lossless codes that are none", b"\x01" + b"\xff" * 99),
        ("lossless codes of another picture", b"\x01" + lossless(999, 999)[8:]),
    ):
        yield f"transparency of {name}", lambda d=data: webp(extended(ALPHA), chunk(b"ALPH", d), picture)
        yield f"a frame with transparency of {name}", lambda d=data: animation(*[frame(chunk(b"ALPH", d), picture)] * 3)
    yield "transparency twice", lambda: webp(extended(ALPHA), chunk(b"ALPH", b"\x00") * 2, picture)
    yield "transparency behind the pixels", lambda: webp(extended(ALPHA), picture, chunk(b"ALPH", b"\x00" + bytes(256)))
    yield "transparency of a lossless picture", lambda: webp(extended(ALPHA), chunk(b"ALPH", bytes(257)), lossless())
    yield "transparency without pixels", lambda: webp(extended(ALPHA), chunk(b"ALPH", bytes(257)))
    yield "transparency that is not announced", lambda: webp(extended(0), chunk(b"ALPH", bytes(257)), picture)


def _animations() -> Iterator[tuple[str, Make]]:
    still = lossless()
    for size in (0, 1, 5, 7, 999):
        yield (
            f"an animation header of {size} bytes",
            lambda n=size: animation(frame(still), start=chunk(b"ANIM", bytes(n))),
        )
    yield "no animation header", lambda: animation(*[frame(still)] * 2, start=b"")
    yield (
        "an animation header behind the frames",
        lambda: animation(frame(still), start=b"")[:-8] + chunk(b"ANIM", bytes(6)),
    )
    yield "an animation without frames", animation
    yield "a still that says it moves", lambda: webp(extended(ANIMATED), still)
    yield "frames that are not announced", lambda: webp(extended(0), frame(still))
    yield "2**24 milliseconds a frame", lambda: animation(*[frame(still, ms=2**24 - 1)] * 50)
    yield "no time for a frame", lambda: animation(*[frame(still, ms=0)] * 50)
    for left_px, top_px in ((2, 0), (0, 2), (2**25 - 2, 2**25 - 2)):
        yield f"a frame at {left_px},{top_px}", lambda x=left_px, y=top_px: animation(frame(still, left_px=x, top_px=y))
    yield "a frame of another size than its pixels", lambda: animation(frame(still, width_px=8))
    yield "a frame in a frame", lambda: animation(frame(frame(still)))
    yield "a frame without pixels", lambda: animation(frame())
    yield "a frame of one byte", lambda: animation(chunk(b"ANMF", b"\x00"))
    yield "a frame of two pictures", lambda: animation(frame(still, still))
    yield "a frame whose second chunk is cut", lambda: animation(frame(still, chunk(b"EXIF", b"ab", 9999)))
    for count in (2000, 9000, 20_000):
        yield f"{count} frames of 16x16", lambda n=count: animation(frame(still) * n)
    yield "300 frames of 16x16 on 7000x7000", lambda: animation(frame(still) * 300, width_px=7000, height_px=7000)
    yield "500 frames of 16x16 on 300x300", lambda: animation(frame(still, flags=1) * 500, width_px=300, height_px=300)
    yield (
        "40 frames of 1000x1000",
        lambda: animation(
            frame(lossless(1000, 1000), width_px=1000, height_px=1000) * 40, width_px=1000, height_px=1000
        ),
    )
    yield "frames of every flag", lambda: animation(*(frame(still, flags=flags) for flags in range(256)))


def _chunks() -> Iterator[tuple[str, Make]]:
    still = lossless()
    for size in (0, 1, 4, 9, 11, 999):
        yield f"a header of {size} bytes", lambda n=size: webp(chunk(b"VP8X", bytes(n)), still)
    for flags in (0x01, 0xC1, 0xFF):
        yield f"a header of the flags {flags:x}", lambda f=flags: webp(extended(f), still)
    yield "two headers", lambda: webp(extended(0), extended(ANIMATED, 9000, 9000), still)
    yield "a header behind the pixels", lambda: webp(still, extended(0))
    yield "100,000 empty chunks", lambda: webp(extended(0), chunk(b"JUNK", b"") * 100_000, still)
    yield "9000 empty chunks", lambda: webp(extended(0), chunk(b"JUNK", b"") * 9000, still)
    yield "a chunk of 30 megabytes", lambda: webp(extended(0), chunk(b"JUNK", bytes(30_000_000)), still)
    yield "a form that is not WebP", lambda: b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(24)
    yield "a name of zeros", lambda: webp(chunk(bytes(4), b"abc"), still)
    yield "trailing bytes", lambda: webp(still) + b"\xff" * 999
    yield "no padding", lambda: webp(extended(0), b"JUNK\x03\x00\x00\x00abc", still)
    for name, block in exif_blocks():
        yield f"EXIF {name}", lambda b=block: webp(extended(EXIF), still, chunk(b"EXIF", b))
    for name, profile in icc_profiles():
        yield f"a profile {name}", lambda p=profile: webp(extended(ICC), chunk(b"ICCP", p), still)
    for name, packet in xmp_packets():
        yield f"XMP {name}", lambda p=packet: webp(extended(XMP), still, chunk(b"XMP ", p))


def files() -> Files:
    """Return the WebPs by name."""
    groups = (_sizes(), _pixels(), _alpha(), _animations(), _chunks())
    return {f"webp: {name}": make for group in groups for name, make in group}
