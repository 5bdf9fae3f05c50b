"""PNG colour declarations are applied. All expected values come from the standards' formulas, none from our code."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from picture_files import chunk
from PIL import Image, ImageCms

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]
Colour = tuple[int, ...]
Curve = Callable[[float], float]
Chunk = tuple[bytes, bytes]

Matrix = tuple[tuple[float, ...], ...]
SAME: Matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
# To linear sRGB, as published: CSS Color 4 for Display P3, ITU-R BT.2087 for BT.2020, B. Lindbloom for ProPhoto (by way
# of XYZ seen under D50, adapted by Bradford's matrix).
FROM_P3: Matrix = ((1.2249402, -0.2249402, 0), (-0.0420570, 1.0420570, 0), (-0.0196376, -0.0786360, 1.0982736))
FROM_2020: Matrix = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
PROPHOTO_TO_XYZ: Matrix = ((0.7976749, 0.1351917, 0.0313534), (0.2880402, 0.7118741, 0.0000857), (0, 0, 0.8252100))
FROM_XYZ: Matrix = (
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
)


def times(matrix: Matrix, column: Sequence[float]) -> list[float]:
    """Return a matrix times a column."""
    return [sum(a * b for a, b in zip(row, column, strict=True)) for row in matrix]


def srgb_light(value: float) -> float:
    """Decode sRGB (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def srgb_code(light: float) -> int:
    """Encode sRGB to 8 bits (IEC 61966-2-1)."""
    light = min(1.0, max(0.0, light))
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def power(exponent: float) -> Curve:
    """Decode a power curve; the exponent is 1/gAMA (PNG 3rd edition, 11.3.2.2)."""
    return lambda value: float(value**exponent)


def pq_nits(value: float) -> float:
    """Return the cd/m2 of a PQ value (SMPTE ST 2084)."""
    root = value ** (32 / 2523)
    return 10000 * (max(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)


def pq_value(nits: float) -> float:
    """Return the PQ value of cd/m2."""
    root = (nits / 10000) ** (1305 / 8192)
    return float(((107 / 128 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32))


def mapped(nits: float) -> float:
    """Tone-map light of up to 1,000 cd/m2 to a white of 203 (EETF of BT.2390, reference white of BT.2408)."""
    largest = pq_value(203) / pq_value(1000)
    knee = 1.5 * largest - 0.5
    e = min(1.0, pq_value(nits) / pq_value(1000))
    if e > knee:
        t = (e - knee) / (1 - knee)
        e = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * largest
    return pq_nits(e * pq_value(1000)) / 203


def hlg(value: float) -> float:
    """Return the light of an HLG value on a display of 1,000 cd/m2 (BT.2100, table 5), mapped."""
    scene = value**2 / 3 if value <= 0.5 else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return mapped(1000 * scene**1.2)


def narrow(light: Curve) -> Curve:
    """Decode a narrow range value, 16 to 235 of 255."""
    return lambda value: light(min(1.0, max(0.0, (255 * value - 16) / 219)))


def wanted(colour: Colour, light: Curve, matrix: Matrix = SAME) -> Colour:
    """Return an 8-bit colour, converted to sRGB."""
    return tuple(srgb_code(part) for part in times(matrix, [light(value / 255) for value in colour]))


def gama(gamma: float) -> Chunk:
    """Return a gAMA chunk (11.3.2.2)."""
    return b"gAMA", struct.pack(">I", round(100_000 * gamma))


def chrm(*places: float) -> Chunk:
    """Return a cHRM chunk: white, red, green and blue (11.3.2.1)."""
    return b"cHRM", struct.pack(">8I", *(round(100_000 * place) for place in places))


def cicp(*points: int) -> Chunk:
    """Return a cICP chunk (11.3.2.6)."""
    return b"cICP", bytes(points)


def iccp(profile: bytes) -> Chunk:
    """Return an iCCP chunk (11.3.2.3)."""
    return b"iCCP", b"a profile\x00\x00" + zlib.compress(profile)


SRGB: Chunk = (b"sRGB", b"\x00")
SRGB_PLACES = chrm(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3_PLACES = chrm(0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
PROPHOTO_PLACES = chrm(0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)


def png(
    kind: int, depth: int, pixel: bytes, chunks: Iterable[Chunk] = (), *, late: Iterable[Chunk] = (), crc: int = 0
) -> bytes:
    """Return a PNG of 16x16 equal pixels; chunks come before PLTE, `late` ones after it."""
    row = pixel * 16 if depth >= 8 else pixel * (16 * depth // 8)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, depth, kind, 0, 0, 0))]
    parts += [chunk(*each, crc) for each in chunks]
    parts += [chunk(*each) for each in late]
    parts += [chunk(b"IDAT", zlib.compress((b"\x00" + row) * 16)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rgb(colour: Colour, *chunks: Chunk) -> bytes:
    """Return a PNG of one colour, 8 bits a channel."""
    return png(2, 8, bytes(colour), chunks)


def seen(image: Image.Image) -> Colour:
    """Return the colour in the middle."""
    colour = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(colour, tuple)
    return tuple(int(part) for part in colour)


def xyz_profile() -> bytes:
    """Return a profile with one unmistakable result: every colour becomes a red (ICC.1:2010, 8.3.3)."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(count):
        name, start, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if name in (b"gXYZ", b"bXYZ"):
            profile = profile[: start + 8] + bytes(12) + profile[start + 20 :]
    return profile


LINEAR = power(1)
BT1886 = power(2.4)
"""The display curve for BT.709 and BT.2020, from their notes to the camera curve and from CSS Color 4."""
DECLARED: dict[str, tuple[list[Chunk], Curve, Matrix]] = {
    "nothing": ([], srgb_light, SAME),
    "sRGB": ([SRGB], srgb_light, SAME),
    "gAMA 1": ([gama(1)], LINEAR, SAME),
    "gAMA 0.8": ([gama(0.8)], power(1.25), SAME),
    "gAMA of old Macs": ([gama(1 / 1.8), SRGB_PLACES], power(1.8), SAME),
    "gAMA 1/2.2, sRGB's primaries": ([gama(0.45455), SRGB_PLACES], srgb_light, SAME),
    "gAMA 1/2.2": ([gama(0.45455)], srgb_light, SAME),
    "gAMA 1/2.2, P3's primaries": ([gama(0.45455), P3_PLACES], power(2.2), FROM_P3),
    "cHRM alone": ([P3_PLACES], srgb_light, FROM_P3),
    "cICP sRGB": ([cicp(1, 13, 0, 1)], srgb_light, SAME),
    "cICP Display P3": ([cicp(12, 13, 0, 1)], srgb_light, FROM_P3),
    "cICP BT.709": ([cicp(1, 1, 0, 1)], BT1886, SAME),
    "cICP BT.2020": ([cicp(9, 14, 0, 1)], BT1886, FROM_2020),
    "cICP BT.2020 of 12 bits": ([cicp(9, 15, 0, 1)], BT1886, FROM_2020),
    "cICP BT.601": ([cicp(1, 6, 0, 1)], BT1886, SAME),
    "cICP xvYCC": ([cicp(1, 11, 0, 1)], BT1886, SAME),
    "cICP linear": ([cicp(1, 8, 0, 1)], LINEAR, SAME),
    "cICP 2.2": ([cicp(1, 4, 0, 1)], power(2.2), SAME),
    "cICP video range": ([cicp(1, 13, 0, 0)], narrow(srgb_light), SAME),
    "cICP BT.709 video range": ([cicp(1, 1, 0, 0)], narrow(BT1886), SAME),
    "cICP PQ": ([cicp(9, 16, 0, 1)], lambda value: mapped(pq_nits(value)), FROM_2020),
    "cICP HLG": ([cicp(9, 18, 0, 1)], hlg, FROM_2020),
    "cICP PQ, BT.709's primaries": ([cicp(1, 16, 0, 1)], lambda value: mapped(pq_nits(value)), SAME),
}
COLOURS = [(200, 100, 50), (30, 60, 20), (4, 9, 6), (120, 128, 140), (255, 255, 255), (0, 0, 0)]


@pytest.mark.parametrize("declared", DECLARED)
def test_colours_are_those_of_the_standards(render: Render, opened: Opened, declared: str) -> None:
    """Each declaration gives the colours of its formulas, dark ones too, within two of 255."""
    chunks, light, matrix = DECLARED[declared]
    for colour in COLOURS:
        (body,) = render(rgb(colour, *chunks), "full_size.png")
        assert seen(opened(body)) == pytest.approx(wanted(colour, light, matrix), abs=2), colour


def test_a_white_that_is_not_d65(render: Render, opened: Opened) -> None:
    """A white point other than D65 is adapted: ProPhoto has D50."""
    to_srgb: Matrix = tuple(
        tuple(times(FROM_XYZ, column)[row] for column in zip(*PROPHOTO_TO_XYZ, strict=True)) for row in range(3)
    )
    for colour in [(120, 110, 90), (90, 100, 95), (255, 255, 255), (77, 77, 77)]:
        (body,) = render(rgb(colour, gama(1 / 1.8), PROPHOTO_PLACES), "full_size.png")
        assert seen(opened(body)) == pytest.approx(wanted(colour, power(1.8), to_srgb), abs=2)


KINDS = {  # kind, depth, pixel, further chunks, and the grey or colour that it is in 8 bits
    "grey 1": (0, 1, b"\xff", [], (255,) * 3),
    "grey 2": (0, 2, b"\x55", [], (85,) * 3),
    "grey 4": (0, 4, b"\x66", [], (102,) * 3),
    "grey 8": (0, 8, b"\x64", [], (100,) * 3),
    "grey 16": (0, 16, b"\x64\x64", [], (100,) * 3),
    "grey 8 with tRNS": (0, 8, b"\x64", [(b"tRNS", b"\x00\x05")], (100,) * 3),
    "grey 16 with tRNS": (0, 16, b"\x64\x64", [(b"tRNS", b"\x00\x05")], (100,) * 3),
    "grey and alpha 8": (4, 8, b"\x64\xff", [], (100,) * 3),
    "grey and alpha 16": (4, 16, b"\x64\x64\xff\xff", [], (100,) * 3),
    "colour 8": (2, 8, b"\xc8\x64\x32", [], (200, 100, 50)),
    "colour 16": (2, 16, b"\xc8\xc8\x64\x64\x32\x32", [], (200, 100, 50)),
    "colour 8 with tRNS": (2, 8, b"\xc8\x64\x32", [(b"tRNS", bytes(6))], (200, 100, 50)),
    "colour 8 of greys": (2, 8, b"\x64\x64\x64", [], (100,) * 3),
    "colour and alpha 8": (6, 8, b"\xc8\x64\x32\xff", [], (200, 100, 50)),
    "colour and alpha 16": (6, 16, b"\xc8\xc8\x64\x64\x32\x32\xff\xff", [], (200, 100, 50)),
    "palette 1": (3, 1, b"\xff", [(b"PLTE", b"\x00\x00\x00\xc8\x64\x32")], (200, 100, 50)),
    "palette 2": (3, 2, b"\x55", [(b"PLTE", b"\x00\x00\x00\xc8\x64\x32")], (200, 100, 50)),
    "palette 4": (3, 4, b"\x11", [(b"PLTE", b"\x00\x00\x00\xc8\x64\x32")], (200, 100, 50)),
    "palette 8": (3, 8, b"\x01", [(b"PLTE", b"\x00\x00\x00\xc8\x64\x32")], (200, 100, 50)),
    "palette of greys": (3, 8, b"\x01", [(b"PLTE", b"\x00\x00\x00\x64\x64\x64")], (100,) * 3),
    "palette with tRNS": (3, 8, b"\x01", [(b"PLTE", b"\x00\x00\x00\xc8\x64\x32"), (b"tRNS", b"\x00")], (200, 100, 50)),
}
OUTPUTS = ("w8.png", "x7-q100.jpg")
SOME = ("nothing", "gAMA 1", "cHRM alone", "cICP Display P3", "cICP video range", "cICP PQ")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pixel(render: Render, opened: Opened, kind: str) -> None:
    """Declarations apply to greys, colours and palettes of any depth, with and without transparency."""
    type, depth, pixel, further, colour = KINDS[kind]
    for chunks, light, matrix in (DECLARED[name] for name in SOME):
        bodies = render(png(type, depth, pixel, chunks, late=further), *OUTPUTS)
        for output, body in zip(OUTPUTS, bodies, strict=True):
            tolerance = 2 if output.endswith(".png") else 6
            assert seen(opened(body)) == pytest.approx(wanted(colour, light, matrix), abs=tolerance), (chunks, output)


@pytest.mark.parametrize("kind", ["grey 8", "grey and alpha 8", "grey 16"])
def test_greys_stay_grey(render: Render, opened: Opened, kind: str) -> None:
    """A grey picture gets no tint from any primaries."""
    type, depth, pixel, further, _ = KINDS[kind]
    for chunks in ([P3_PLACES], [gama(1), PROPHOTO_PLACES], [cicp(9, 16, 0, 1)], [gama(0.8), SRGB_PLACES]):
        (body,) = render(png(type, depth, pixel, chunks, late=further), "full_size.png")
        assert len(set(seen(opened(body)))) == 1


COLOUR = (200, 100, 50)
PRECEDENCE = {
    "cICP over iCCP": ([cicp(12, 13, 0, 1), iccp(xyz_profile()), gama(1)], wanted(COLOUR, srgb_light, FROM_P3)),
    "cICP over iCCP, in any order": ([gama(1), iccp(xyz_profile()), cicp(1, 13, 0, 1)], COLOUR),
    "cICP over sRGB": ([SRGB, cicp(1, 8, 0, 1)], wanted(COLOUR, LINEAR)),
    "iCCP over sRGB and gAMA": ([SRGB, gama(1), iccp(xyz_profile())], None),
    "iCCP over gAMA": ([gama(1), P3_PLACES, iccp(xyz_profile())], None),
    "sRGB over gAMA": ([gama(1), P3_PLACES, SRGB], COLOUR),
    "the first of two": ([gama(1), gama(1 / 1.8)], wanted(COLOUR, LINEAR)),
}


@pytest.mark.parametrize("case", PRECEDENCE)
def test_precedence(render: Render, opened: Opened, case: str) -> None:
    """Of several declarations the first counts: cICP, iCCP, sRGB, gAMA with cHRM (PNG 3rd edition, 4.3)."""
    chunks, colour = PRECEDENCE[case]
    (body,) = render(rgb(COLOUR, *chunks), "full_size.png")
    red, green, blue = seen(opened(body))
    if colour is None:  # from the profile, which has no green
        assert red > 100
        assert green + blue < 50
    else:
        assert (red, green, blue) == pytest.approx(colour, abs=2)


GIVE_WAY = {
    "cICP of unknown primaries": [cicp(2, 13, 0, 1)],
    "cICP of an unknown curve": [cicp(1, 2, 0, 1)],
    "cICP with a matrix": [cicp(12, 13, 1, 1)],
    "cICP without a range": [cicp(12, 13, 0, 2)],
    "cICP cut short": [cicp(12, 13, 0)],
    "iCCP that does not inflate": [(b"iCCP", b"x\x00\x00nonsense")],
    "iCCP without a profile": [iccp(b"nonsense" * 40)],
    "iCCP without data": [(b"iCCP", b"")],
    "iCCP of an unknown method": [(b"iCCP", b"x\x00\x01" + zlib.compress(xyz_profile()))],
    "iCCP of a larger size than is read": [iccp(xyz_profile() + bytes(8_000_000))],
    "iCCP for other channels": [iccp(xyz_profile()[:16] + b"CMYK" + xyz_profile()[20:])],
    "iCCP for greys": [iccp(xyz_profile()[:16] + b"GRAY" + xyz_profile()[20:])],
}


@pytest.mark.parametrize("case", GIVE_WAY)
def test_an_unknown_declaration_gives_way_to_the_next(render: Render, opened: Opened, case: str) -> None:
    """An invalid or unknown declaration gives way to the next."""
    (body,) = render(rgb(COLOUR, *GIVE_WAY[case], gama(1)), "full_size.png")
    assert seen(opened(body)) == pytest.approx(wanted(COLOUR, LINEAR), abs=2)


SENSELESS = {
    "gAMA of zero": [gama(0)],
    "gAMA cut short": [(b"gAMA", b"\x00\x01")],
    "cHRM of zeros": [chrm(*[0] * 8)],
    "cHRM of one point": [chrm(*[0.3127, 0.3290] * 4)],
    "cHRM whose white is no mixture": [chrm(0.9, 0.05, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)],
    "cHRM of huge numbers": [(b"cHRM", b"\xff" * 32)],
    "cHRM cut short": [(b"cHRM", bytes(31))],
    "nothing but cICP that is not understood": [cicp(0, 0, 0, 0)],
}


@pytest.mark.parametrize("case", SENSELESS)
def test_invalid_values_are_ignored(render: Render, opened: Opened, case: str) -> None:
    """Values that describe no colour space are ignored."""
    for kind, pixel, colour in ((2, bytes(COLOUR), COLOUR), (0, b"\x64", (100,) * 3)):
        (body,) = render(png(kind, 8, pixel, SENSELESS[case]), "full_size.png")
        assert seen(opened(body)) == colour


def test_damaged_and_late_chunks_do_not_count(render: Render, opened: Opened) -> None:
    """A chunk with a wrong CRC, or after the palette (PNG 3rd edition, 5.6), is ignored."""
    damaged = png(2, 8, bytes(COLOUR), [gama(1), cicp(12, 13, 0, 1)], crc=1)
    late = png(3, 8, b"\x01", late=[(b"PLTE", b"\x00\x00\x00" + bytes(COLOUR)), gama(1), SRGB, cicp(1, 8, 0, 1)])
    for original in (damaged, late):
        (body,) = render(original, "full_size.png")
        assert seen(opened(body)) == COLOUR


def test_every_code_point_keeps_black_white_and_the_order_of_greys(render: Render, opened: Opened) -> None:
    """With every code point of H.273, greys get lighter from black to white, without a tint."""
    primaries = [(each, 13) for each in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22)]
    curves = [(9, each) for each in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18)]
    ramp = bytes(value for number in range(16) for value in [17 * number] * 3)
    for points in primaries + curves:
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", 16, 1, 8, 2, 0, 0, 0)), cicp(*points, 0, 1)]
        chunks += [(b"IDAT", zlib.compress(b"\x00" + ramp)), (b"IEND", b"")]
        original = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)
        (body,) = render(original, "full_size.png")
        image = opened(body).convert("RGB")
        greys: list[Any] = [image.getpixel((x, 0)) for x in range(16)]
        assert [max(grey) - min(grey) for grey in greys] == [0] * 16, points
        assert greys == sorted(greys)
        assert (greys[0], greys[-1]) == ((0, 0, 0), (255, 255, 255))
