"""Hostile GIFs (GIF89a): codes beyond the table, absurd animations, frames off the canvas, blocks without end."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from damage import Files, Make

TRAILER = b"\x3b"
COLOURS = bytes(range(12))
TABLE = 0x81
"""The flags of a screen with four colours."""


def blocks(data: bytes, size: int = 255) -> bytes:
    """Return data sub-blocks of this size, and their terminator."""
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(bytes([len(each)]) + each for each in pieces) + b"\x00"


def packed(codes: Sequence[int], bits: int) -> bytes:
    """Return codes of so many bits each, the first one in the lowest bits."""
    number = sum(code << bits * place for place, code in enumerate(codes))
    return number.to_bytes(-(-bits * len(codes) // 8), "little")


def pixels(count: int) -> bytes:
    """Return the image data of so many pixels of colour 0, with codes that never grow: one clear code, two pixels."""
    pair = packed([4, 0, 0] * 8, 3)
    return b"\x02" + blocks(pair * -(-count // 16) + b"\x05")


def runs(count: int) -> bytes:
    """Return the image data of so many pixels of colour 0, compressed as well as LZW can: each code is a longer run."""
    number, at, left = 4, 3, count
    while left > 0:
        after, width = 6, 3
        run = 1
        while left > 0 and after < 4095:
            code = 0 if run == 1 else after - 1
            number |= code << at
            at += width
            left -= run
            run += 1
            after += run > 2
            width = min(12, max(width, after.bit_length()))
        number |= 4 << at
        at += width
    return b"\x02" + blocks((number | 5 << at).to_bytes(-(-(at + 12) // 8), "little"))


def control(delay: int = 4, disposal: int = 1, transparent: int | None = None) -> bytes:
    """Return a graphic control extension; the delay is in hundredths of a second."""
    flags = disposal << 2 | (transparent is not None)
    return b"\x21\xf9\x04" + struct.pack("<BHB", flags, delay, transparent or 0) + b"\x00"


def image(
    width_px: int = 4, height_px: int = 4, left_px: int = 0, top_px: int = 0, flags: int = 0, data: bytes | None = None
) -> bytes:
    """Return an image block, filled with colour 0 unless `data` says otherwise."""
    place = struct.pack("<HHHHB", left_px, top_px, width_px, height_px, flags)
    return b"\x2c" + place + (pixels(width_px * height_px) if data is None else data)


def gif(*parts: bytes, width_px: int = 4, height_px: int = 4, flags: int = TABLE, end: bytes = TRAILER) -> bytes:
    """Return a GIF of these blocks, with a loop block before them."""
    screen = struct.pack("<HHBBB", width_px, height_px, flags, 0, 0) + (COLOURS if flags & 0x80 else b"")
    return b"".join([b"GIF89a", screen, b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00", *parts, end])


def _codes() -> Iterator[tuple[str, Make]]:
    for bits in (0, 1, 2, 8, 9, 11, 12, 13, 16, 255):
        yield f"a code size of {bits}", lambda b=bits: gif(image(data=bytes([b]) + pixels(16)[1:]))
    streams = {
        "a code beyond the table": [4, 0, 7, 7, 7, 5],
        "a first code that is no colour": [4, 6, 6, 5],
        "no clear code": [0, 0, 0, 0, 0, 0, 5],
        "only clear codes": [4] * 4000,
        "only end codes": [5] * 4000,
        "the end at once": [4, 5],
        "a code of itself": [4, 0, 6, 0, 6, 0, 6],
        "alternating clear and end codes": [4, 5] * 2000,
    }
    for name, codes in streams.items():
        yield f"codes: {name}", lambda c=codes: gif(image(data=b"\x02" + blocks(packed(c, 3))))
    yield (
        "a full table without a clear code",
        lambda: gif(image(200, 200, data=b"\x02" + blocks(bytes(range(256)) * 40))),
    )
    yield (
        "12-bit codes, each in a chain with the one before",
        lambda: gif(
            image(4000, 4000, data=b"\x08" + blocks(packed([0x100, *range(0x102, 0xFFF), 0xFFF], 12))),
            width_px=4000,
            height_px=4000,
        ),
    )
    yield "16 megapixels in runs", lambda: gif(image(4000, 4000, data=runs(16_000_000)), width_px=4000, height_px=4000)
    yield "more pixels than the frame has", lambda: gif(image(data=runs(10_000_000)))
    yield "fewer pixels than the frame has", lambda: gif(image(60_000, 800, data=pixels(10)))
    yield "fewer pixels than the frame has, interlaced", lambda: gif(image(6000, 8000, flags=0x40, data=pixels(10)))
    yield (
        "data in blocks of one byte",
        lambda: gif(image(200, 200, data=b"\x02" + blocks(pixels(40_000)[2:250] * 50, 1))),
    )
    yield "no data", lambda: gif(image(data=b"\x02\x00"))
    yield "no data and no end", lambda: gif(image(data=b"\x02"), end=b"")


def _sizes() -> Iterator[tuple[str, Make]]:
    for width_px, height_px in ((0, 0), (65535, 65535), (65535, 1), (1, 65535), (7000, 7000)):
        yield (
            f"a canvas of {width_px}x{height_px} and a frame of 4x4",
            lambda w=width_px, h=height_px: gif(image(), width_px=w, height_px=h),
        )
        yield (
            f"a canvas of {width_px}x{height_px} and 300 frames of 1x1",
            lambda w=width_px, h=height_px: gif((control() + image(1, 1)) * 300, width_px=w, height_px=h),
        )
    for width_px, height_px in ((0, 4), (4, 0), (65535, 65535)):
        yield (
            f"a frame of {width_px}x{height_px} first",
            lambda w=width_px, h=height_px: gif(image(w, h, data=pixels(16)), image()),
        )
        yield (
            f"a frame of {width_px}x{height_px} second",
            lambda w=width_px, h=height_px: gif(image(), image(w, h, data=pixels(16))),
        )
    for left_px, top_px in ((4, 4), (65535, 65535), (1, 0), (0, 30_000)):
        yield f"a first frame at {left_px},{top_px}", lambda x=left_px, y=top_px: gif(image(4, 4, x, y))
        yield (
            f"frames at {left_px},{top_px}",
            lambda x=left_px, y=top_px: gif(image(), *[control() + image(4, 4, x, y)] * 50),
        )


def _animations() -> Iterator[tuple[str, Make]]:
    for count in (2000, 9999, 10_001, 50_000):
        yield f"{count} frames of 1x1", lambda n=count: gif(image(1, 1), (control() + image(1, 1)) * (n - 1))
    yield "12,000 frames of 64x64", lambda: gif((control() + image(64, 64)) * 12_000, width_px=64, height_px=64)
    for disposal in range(8):
        yield (
            f"1000 frames of the disposal {disposal}",
            lambda d=disposal: gif((control(0, d, 0) + image(16, 16, 8, 8)) * 1000, width_px=32, height_px=32),
        )
    yield (
        "400 frames of 300x300 that restore",
        lambda: gif((control(0, 3, 1) + image(300, 300)) * 400, width_px=300, height_px=300),
    )
    yield (
        "frames that grow",
        lambda: gif(*(control(0, 2) + image(side, side) for side in range(1, 100)), width_px=100, height_px=100),
    )
    yield "2000 frames of 1x12,000", lambda: gif((control() + image(1, 12_000)) * 2000, width_px=1, height_px=12_000)
    for delay in (0, 1, 65535):
        yield f"200 delays of {delay}", lambda d=delay: gif((control(d) + image()) * 200)
    yield "frames without pixels", lambda: gif(image(), (control() + image(0, 0, data=b"\x02\x00")) * 20_000)
    yield "control blocks without a frame", lambda: gif(control() * 100_000, image())
    yield "100 loop blocks", lambda: gif(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\xff\xff\x00" * 100, image(), image())
    yield "a transparent colour beyond the table", lambda: gif(control(transparent=255) + image())


def _blocks() -> Iterator[tuple[str, Make]]:
    yield "a comment of 300,000 blocks", lambda: gif(b"\x21\xfe" + b"\x01a" * 300_000 + b"\x00", image())
    yield "a comment of a million blocks", lambda: gif(b"\x21\xfe" + b"\x01a" * 1_000_000 + b"\x00", image())
    yield "a million empty comments", lambda: gif(b"\x21\xfe\x00" * 1_000_000, image())
    yield "a comment of 30 megabytes", lambda: gif(b"\x21\xfe" + blocks(bytes(30_000_000)), image())
    yield (
        "extensions of every label",
        lambda: gif(*(b"\x21" + bytes([label]) + blocks(b"abcd") for label in range(256)), image()),
    )
    yield "a plain text of 65535 cells", lambda: gif(b"\x21\x01\x0c" + b"\xff" * 12 + blocks(b"text" * 999), image())
    yield (
        "application data that is XMP",
        lambda: gif(b"\x21\xff\x0bXMP DataXMP" + b"<x/>" * 99 + b"\x01" + bytes(range(255, -1, -1)) + b"\x00", image()),
    )
    yield "a profile that is none", lambda: gif(b"\x21\xff\x0bICCRGBG1012" + blocks(b"\xff" * 999), image())
    for flags in (0x00, 0x7F, 0xFF):
        yield (
            f"a screen of the flags {flags:x} without its table",
            lambda f=flags: b"GIF89a" + struct.pack("<HHBBB", 4, 4, f, 255, 255) + image() + TRAILER,
        )
        yield f"a frame of the flags {flags:x} without its table", lambda f=flags: gif(image(flags=f))
    yield "no colours at all", lambda: gif(image(), flags=0)
    yield "an unknown block", lambda: gif(b"\x99\x98\x97", image())
    yield "no frame", gif
    yield "no frame and no end", lambda: gif(end=b"")
    yield "version 87a with extensions", lambda: b"GIF87a" + gif(control(transparent=0) + image())[6:]
    yield "the version 99z", lambda: b"GIF99z" + gif(image())[6:]
    yield "two files, one after the other", lambda: gif(image()) + gif(image(999, 999))
    yield (
        "a control block of a wrong length",
        lambda: gif(b"\x21\xf9\x05\x01\x01\x01\x01\x01\x00", image(), b"\x21\xf9\x01\x01\x00", image()),
    )


def files() -> Files:
    """Return the GIFs by name."""
    groups = (_codes(), _sizes(), _animations(), _blocks())
    return {f"gif: {name}": make for group in groups for name, make in group}
