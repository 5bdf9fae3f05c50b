"""Damaged pictures with all pixels are accepted; pictures that lack pixels are refused when posted."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

import pytest
from picture_files import chunk, encode
from PIL import Image, ImageChops

from imaged.api import BusyError, ImagedError, ImageFacts, NotAPictureError
from imaged.testing.pictures import make_gif, make_webp

Accept = Callable[..., ImageFacts]
Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]


def encoded(format: str, **options: object) -> bytes:
    """Return a file of noise, in which every byte matters."""
    noise = Image.frombytes("RGB", (80, 60), random.Random(3).randbytes(80 * 60 * 3))
    return encode(noise, format, **options)


JPEG, PROGRESSIVE = encoded("JPEG", quality=85), encoded("JPEG", quality=85, progressive=True)
RESTARTED = encoded("JPEG", quality=85, restart_marker_blocks=3)
PNG, WEBP, LOSSLESS = encoded("PNG"), encoded("WEBP"), encoded("WEBP", lossless=True)
STILL_GIF, GIF = encoded("GIF"), make_gif(3)
IDAT = PNG.index(b"IDAT") - 4
STREAM = PNG[IDAT + 8 : -16]
IEND = PNG[-12:]


def png_of(stream: bytes, end: bytes = IEND) -> bytes:
    """Return the PNG with another stream of IDAT data."""
    return PNG[:IDAT] + chunk(b"IDAT", stream) + end


def interlaced_png(cut: int) -> bytes:
    """Return a grey 5x5 PNG in seven passes (PNG 8.1) whose stream lacks its last bytes."""
    passes = [(1, 1), (1, 1), (2, 1), (1, 2), (3, 1), (2, 3), (5, 2)]
    rows = b"".join((b"\x00" + bytes(range(10, 10 + width))) * height for width, height in passes)
    header = struct.pack(">IIBBBBB", 5, 5, 8, 0, 0, 0, 1)
    stream = zlib.compress(rows, 0)
    return PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", stream[: len(stream) - cut]) + IEND


def damaged_png() -> bytes:
    """Return the PNG with one wrong byte in its pixels; neither its CRC nor its Adler-32 matches."""
    png = bytearray(png_of(zlib.compress(zlib.decompress(STREAM), 0)))
    png[len(png) // 2] ^= 0x5A
    return bytes(png)


def riff_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return chunks of a RIFF file, padded to an even length (RFC 9649, 2.3)."""
    return b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)


def webp_of(*chunks: tuple[bytes, bytes], more: bytes = b"") -> bytes:
    """Return a WebP of these chunks and trailing bytes, which its length includes."""
    body = b"WEBP" + riff_chunks(*chunks) + more
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sides_of(width_px: int, height_px: int) -> bytes:
    """Return a width and a height as an extended WebP has them."""
    return (width_px - 1).to_bytes(3, "little") + (height_px - 1).to_bytes(3, "little")


def pixels_of(webp: bytes) -> bytes:
    """Return the data of the first chunk of a WebP."""
    return webp[20 : 20 + int.from_bytes(webp[16:20], "little")]


def animation_of(*frames: bytes) -> bytes:
    """Return an animated WebP of our usual size whose frames have these chunks (RFC 9649, 2.7.1)."""
    sides = sides_of(80, 60)
    bodies = ((b"ANMF", bytes(6) + sides + b"\x64\x00\x00\x00" + frame) for frame in frames)
    return webp_of((b"VP8X", b"\x02\x00\x00\x00" + sides), (b"ANIM", bytes(6)), *bodies)


VP8L, VP8 = pixels_of(LOSSLESS), pixels_of(WEBP)
ODD = VP8L + bytes(1 - len(VP8L) % 2)
PADDED = riff_chunks((b"VP8L", ODD))

WHOLE = {
    "JPEG, end missing": JPEG[:-2],
    "JPEG, half of its end": JPEG[:-1],
    "JPEG, zeros for its end": JPEG[:-2] + bytes(512),
    "JPEG, a camera's trailer for its end": JPEG[:-2]
    + b"\x00\x00\x30\x0aSEFH"
    + bytes(range(200))
    + b"SEFT\xff\x30\xff",
    "JPEG, another after it": JPEG + JPEG[: len(JPEG) // 2],
    "progressive JPEG, end missing": PROGRESSIVE[:-2],
    "progressive JPEG, zeros for its end": PROGRESSIVE[:-2] + bytes(512),
    "PNG, IEND missing": PNG[:-12],
    "PNG, half of IEND": PNG[:-6],
    "PNG, CRC of IEND missing": PNG[:-4],
    "PNG, CRC of IEND wrong": PNG[:-4] + bytes(4),
    "PNG, zeros for IEND": PNG[:-12] + bytes(100),
    "PNG, a text cut short for IEND": PNG[:-12] + chunk(b"tEXt", b"a\x00" + bytes(90))[:50],
    "PNG, CRC of IDAT zero": PNG[:-16] + bytes(4) + IEND,
    "PNG, CRC of IDAT missing": PNG[:-16],
    "PNG, CRC of a text wrong": PNG[:33] + chunk(b"tEXt", b"a\x00b")[:-4] + bytes(4) + PNG[33:],
    "PNG, CRC of a gamma wrong": PNG[:33] + chunk(b"gAMA", b"\x00\x00\xb1\x8f")[:-4] + bytes(4) + PNG[33:],
    "PNG, CRCs of two IDATs zero": PNG[:IDAT]
    + b"".join(chunk(b"IDAT", part)[:-4] + bytes(4) for part in (STREAM[:4000], STREAM[4000:]))
    + IEND,
    "PNG, a text after the pixels, then more": PNG[:-12] + chunk(b"tEXt", b"a\x00b") + chunk(b"IDAT", b"x") + IEND,
    "PNG, checksum of pixels missing": png_of(STREAM[:-4]),
    "PNG, checksum of pixels wrong": png_of(STREAM[:-4] + bytes(4)),
    "PNG, checksum of pixels cut": PNG[: -16 - 2],
    "PNG, more than pixels": png_of(STREAM + b"junk"),
    "PNG, bytes after it": PNG + b"x" * 100,
    "PNG, pixels in a thousand chunks": PNG[:IDAT]
    + b"".join(chunk(b"IDAT", STREAM[at : at + 15]) for at in range(0, len(STREAM), 15))
    + IEND,
    "interlaced PNG, checksum of pixels missing": interlaced_png(4),
    "GIF, trailer missing": STILL_GIF[:-1],
    "GIF, terminator and trailer missing": STILL_GIF[:-2],
    "WebP, bytes after it": WEBP + b"x" * 50,
}
"""Files that browsers, Pillow and libvips show, or at least most of them."""


def without_segment(marker: int, jpeg: bytes) -> bytes:
    """Return a JPEG without the segments of a marker before its first scan."""
    kept, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        kept += b"" if jpeg[at + 1] == marker else jpeg[at:end]
        at = end
    return kept + jpeg[at:]


UNDECODED = {
    "JPEG, quantization tables missing": without_segment(0xDB, JPEG),
    "progressive JPEG, quantization tables missing": without_segment(0xDB, PROGRESSIVE),
    "progressive JPEG, codes of a later scan make no sense": PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xc4") + 5]
    + b"\xff" * 16
    + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xc4") + 21 :],
    "JPEG, a scan of a component that is none": JPEG.replace(b"\xff\xda\x00\x0c\x03\x01", b"\xff\xda\x00\x0c\x03\x09"),
}
"""JPEGs on which libjpeg fails before it decodes pixels."""

LACKING = {
    **UNDECODED,
    "JPEG, a marker among its codes": RESTARTED[: len(RESTARTED) // 2] + b"\xff\x0a" + RESTARTED[len(RESTARTED) // 2 :],
    "JPEG, cut in the middle": JPEG[: len(JPEG) // 2],
    "JPEG, 30 bytes missing": JPEG[:-30],
    "JPEG, cut in the middle, end put on": JPEG[: len(JPEG) // 2] + b"\xff\xd9",
    "JPEG, only a header": JPEG[: JPEG.index(b"\xff\xda")],
    "progressive JPEG, cut in the middle": PROGRESSIVE[: len(PROGRESSIVE) // 2],
    "progressive JPEG, 10 bytes missing": PROGRESSIVE[:-10],
    "progressive JPEG, last scan missing": PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xc4")],
    "PNG, cut in the middle": PNG[: len(PNG) // 2],
    "PNG, last pixels missing": png_of(STREAM[:-20]),
    "PNG, last row missing": png_of(zlib.compress(zlib.decompress(STREAM)[:-241])),
    "PNG, no pixels": PNG[:IDAT] + IEND,
    "PNG, junk for pixels": png_of(STREAM[:2] + b"\xff" * 50),
    "PNG, a filter that is none": png_of(zlib.compress(b"\x07" + zlib.decompress(STREAM)[1:])),
    "PNG, a wrong byte": damaged_png(),
    "PNG, a text between the pixels": PNG[:IDAT]
    + chunk(b"IDAT", STREAM[:4000])
    + chunk(b"tEXt", b"a\x00b")
    + chunk(b"IDAT", STREAM[4000:])
    + IEND,
    "PNG, a stream of an unknown method": png_of(b"\x79\x18" + STREAM[2:]),
    "PNG, a stream of too large a window": png_of(b"\x88\x1c" + STREAM[2:]),
    "PNG, a stream whose header fails its check": png_of(b"\x78\x9d" + STREAM[2:]),
    "PNG, a stream that needs a dictionary": png_of(b"\x78\xbb" + STREAM[2:]),
    "interlaced PNG, last pixels missing": interlaced_png(9),
    "GIF, 10 bytes missing": STILL_GIF[:-10],
    "GIF, only a header": STILL_GIF[:13],
    "WebP, last byte missing": WEBP[:-1],
    "WebP, says it is longer": WEBP[:4] + struct.pack("<I", len(WEBP) + 92) + WEBP[8:],
    "WebP, says it is shorter": WEBP[:4] + struct.pack("<I", len(WEBP) - 28) + WEBP[8:],
    "WebP, bytes that are no chunk": webp_of((b"VP8 ", VP8), more=b"junk"),
    "WebP, padding missing": webp_of((b"VP8 ", VP8), more=b"EXIF\x03\x00\x00\x00abc"),
    "WebP, another size than its header's": webp_of((b"VP8X", bytes(4) + sides_of(81, 60)), (b"VP8L", VP8L)),
    "WebP, half a header": webp_of((b"VP8X", bytes(4)), (b"VP8L", VP8L)),
    "WebP, transparency after its pixels": webp_of(
        (b"VP8X", b"\x10\x00\x00\x00" + sides_of(80, 60)), (b"VP8 ", VP8), (b"ALPH", bytes(1 + 80 * 60))
    ),
    "animated WebP, bytes in a frame that are no chunk": animation_of(PADDED, PADDED + b"junk"),
    "animated WebP, last byte missing": make_webp(3)[:-1],
}


@pytest.mark.parametrize("name", WHOLE)
def test_every_pixel_is_there(accept: Accept, render: Render, opened: Opened, name: str) -> None:
    """A damaged picture with all pixels is accepted and looks like the undamaged one, as Pillow decodes it."""
    accept(WHOLE[name])
    image = opened(render(WHOLE[name], "full_size.png")[0]).convert("RGB")
    format = name.partition(",")[0]
    undamaged = {"progressive JPEG": PROGRESSIVE, "JPEG": JPEG, "PNG": PNG, "GIF": STILL_GIF, "WebP": WEBP}
    if format in undamaged:
        difference = ImageChops.difference(image, opened(undamaged[format]).convert("RGB"))
        assert max(high for _, high in difference.getextrema()) <= 2  # type: ignore[misc]
    else:
        assert image.size == (5, 5)


@pytest.mark.parametrize("name", LACKING)
def test_pixels_are_missing(accept: Accept, name: str) -> None:
    """A picture that lacks pixels is refused before it is stored."""
    with pytest.raises(NotAPictureError):
        accept(LACKING[name])


@pytest.mark.parametrize("body", [JPEG[:-30], PNG[: len(PNG) // 2], STILL_GIF[:-10]])
def test_renders_fill_nothing_in(render: Render, body: bytes) -> None:
    """A picture that lacks pixels and was not verified, as in a batch, is not rendered."""
    with pytest.raises(NotAPictureError, match="cut short"):
        render(body, "w20.png")


@pytest.mark.parametrize("name", UNDECODED)
def test_no_memory_of_others_is_shown(render: Render, name: str) -> None:
    """A JPEG on which libjpeg fails is not rendered: its pixels would be uninitialised memory."""
    with pytest.raises(NotAPictureError, match="broken"):
        render(UNDECODED[name], "w20.png")


@pytest.mark.parametrize("cut", [2, 3, 20, 500, 1500])
def test_a_gif_ends_with_its_last_whole_frame(accept: Accept, render: Render, opened: Opened, cut: int) -> None:
    """A GIF truncated in its last frame keeps the other frames, and that frame if it has all its pixels."""
    frames = {2: 3, 3: 3}.get(cut, 2)
    assert accept(GIF[:-cut]).frames == frames
    webp, png = render(GIF[:-cut], "w20.webp", "w20.png")
    assert getattr(opened(webp), "n_frames", 1) == frames
    assert opened(png).size == (20, 13)


def test_a_damaged_photograph_is_a_photograph(accept: Accept, render: Render) -> None:
    """A JPEG with some wrong bytes in the middle, which viewers show, is accepted."""
    damaged = bytearray(JPEG)
    damaged[len(JPEG) // 2 : len(JPEG) // 2 + 3] = b"\x12\x34\x56"
    accept(bytes(damaged))
    assert render(bytes(damaged), "w20.png")


def test_frames_are_padded_once(accept: Accept, render: Render) -> None:
    """A frame's padding may serve as that of its pixels, as in libwebp."""
    body = animation_of(PADDED, PADDED[:-1])
    assert accept(body).frames == 2
    assert render(body, "w20.png", "w20.webp")


def test_grey_pictures_are_whole(accept: Accept) -> None:
    """A photograph that ends in the grey that libjpeg gives missing blocks is accepted."""
    for progressive in (False, True):
        accept(encode(Image.new("RGB", (80, 60), (128, 128, 128)), "JPEG", progressive=progressive))


@pytest.mark.parametrize(
    "body",
    [JPEG, PROGRESSIVE, RESTARTED, PNG, STILL_GIF, GIF, WEBP, LOSSLESS, make_webp(3), interlaced_png(0)],
    ids=[
        "jpeg",
        "progressive",
        "restarts",
        "png",
        "still gif",
        "gif",
        "webp",
        "lossless webp",
        "animated webp",
        "interlaced png",
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_an_accepted_picture_is_rendered(accept: Accept, render: Render, body: bytes, seed: int) -> None:
    """A file that is truncated, changed or extended anywhere is either refused when posted or can be rendered."""
    chance = random.Random(seed)
    for _ in range(10):
        damaged = bytearray(body)
        for _ in range(chance.choice((0, 1, 1, 2, 6))):
            damaged[chance.randrange(8, len(damaged))] = chance.randrange(256)
        if chance.random() < 0.4:
            del damaged[len(damaged) - chance.choice((1, 2, 3, 4, 5, 8, 12, 16, chance.randrange(1, len(body)))) :]
        if chance.random() < 0.2:
            damaged += chance.randbytes(chance.randrange(1, 60))
        try:
            accept(bytes(damaged), maximum_pixels=1_000_000)
        except ImagedError as error:
            assert not isinstance(error, BusyError), error.__cause__  # noqa: PT017 -- both endings are right
            continue
        for name in chance.sample(("w20.jpg", "full_size.png", "w20.webp", "w20.gif"), 2):  # maybe by two processors
            assert len(render(bytes(damaged), name, maximum_pixels=1_000_000)) == 1


def indexed_png(colours: bytes) -> bytes:
    """Return a PNG of 16x1 pixels with the indexes 0 to 15, and a palette that may be shorter."""
    header, rows = struct.pack(">IIBBBBB", 16, 1, 8, 3, 0, 0, 0), zlib.compress(b"\x00" + bytes(range(16)))
    return b"".join([PNG[:8], chunk(b"IHDR", header), chunk(b"PLTE", colours), chunk(b"IDAT", rows), IEND])


def indexed_gif(colours: bytes, *, local: bool) -> bytes:
    """Return a GIF of 16x1 pixels with the indexes 0 to 15, and a palette that may be shorter."""
    flags = 0x80 | (len(colours) // 3).bit_length() - 2 if colours else 0
    codes = [16, *range(14), 16, 14, 15, 17]  # five bits each, because clear codes keep the table small
    packed = sum(code << 5 * place for place, code in enumerate(codes)).to_bytes(12, "little")
    screen, image = (bytes([0, 0, 0]), bytes([flags]) + colours) if local else (bytes([flags, 0, 0]) + colours, b"\x00")
    place = struct.pack("<HHHH", 0, 0, 16, 1)
    return b"".join([b"GIF89a", struct.pack("<HH", 16, 1), screen, b",", place, image, b"\x04\x0c", packed, b"\x00;"])


COLOURS = bytes(range(30, 42))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (indexed_png(COLOURS), COLOURS),
        (indexed_gif(COLOURS, local=False), COLOURS),
        (indexed_gif(COLOURS, local=True), COLOURS),
        (indexed_gif(b"", local=False), bytes(3) + b"\xff\xff\xff"),
    ],
    ids=["PNG", "GIF", "GIF of a frame's palette", "GIF without a palette"],
)
def test_indexes_past_the_palette_are_black(
    accept: Accept, render: Render, opened: Opened, body: bytes, shown: bytes
) -> None:
    """A pixel whose index has no colour is black; a GIF without a palette is black and white, as in libvips."""
    accept(body)
    assert opened(render(body, "full_size.png")[0]).convert("RGB").tobytes() == shown.ljust(3 * 16, b"\x00")


@pytest.mark.parametrize("quality", [{"lossless": False}, {"lossless": True}], ids=["lossy", "lossless"])
def test_transparency_that_is_not_announced_is_none(
    accept: Accept, render: Render, opened: Opened, quality: dict[str, bool]
) -> None:
    """A WebP whose header does not announce transparency is opaque, as in libvips and Pillow."""
    image = Image.new("RGBA", (16, 16), (200, 30, 40, 60))
    announced = encode(image, "WEBP", **quality, exact=True, exif=b"II*\x00")
    assert announced[12:16] == b"VP8X"
    silent = announced[:20] + bytes([announced[20] & 0xEF]) + announced[21:]
    accept(silent)
    pixels = [opened(render(body, "full_size.png")[0]).convert("RGBA").tobytes()[:4] for body in (announced, silent)]
    assert [pixel[3] < 255 for pixel in pixels] == [True, False]
    assert all(abs(value - wanted) < 4 for value, wanted in zip(pixels[1], (200, 30, 40, 255), strict=True))
