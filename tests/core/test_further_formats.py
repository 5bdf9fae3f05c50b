"""AVIF, HEIC, TIFF, BMP and JPEG XL: signatures, and headers that are read without trust."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_samples import box, ispe, make_heif, make_picture

from imaged.core.bmp_header import read_bmp
from imaged.core.coded_sizes import has_parameter_sets, read_av1_sizes, read_hevc_sizes
from imaged.core.formats import AVIF, BMP, CORE, FURTHER, HEIC, JXL, TIFF, Format, Formats
from imaged.core.geometry import Size
from imaged.core.heif_header import read_heif
from imaged.core.jxl_header import CODESTREAM, CONTAINER, read_jxl
from imaged.core.tiff_header import read_tiff

ALL = Formats((*CORE, *FURTHER), CORE)
JXL_48X32 = CODESTREAM + (1 | (32 // 8 - 1) << 1 | (48 // 8 - 1) << 9 | 1 << 14).to_bytes(4, "little")
MADE: dict[Format, bytes] = {
    AVIF: make_picture("AVIF"),
    HEIC: make_picture("HEIF"),
    TIFF: make_picture("TIFF"),
    BMP: make_picture("BMP"),
    JXL: JXL_48X32,
}
FORMS = {
    "a TIFF with tiles of 16-bit grey": make_picture("TIFF", mode="I;16"),
    "a TIFF in Deflate": make_picture("TIFF", compression="tiff_adobe_deflate"),
    "a bilevel BMP": make_picture("BMP", mode="1"),
    "a BMP with a palette": make_picture("BMP", mode="P"),
    "a HEIC with transparency": make_picture("HEIF", mode="RGBA"),
    "an AVIF with transparency": make_picture("AVIF", mode="RGBA"),
    "a JPEG XL in a container": CONTAINER + box(b"ftyp", b"jxl ") + box(b"jxlc", JXL_48X32),
    "a JPEG XL in parts": CONTAINER + box(b"ftyp", b"jxl ") + box(b"jxlp", bytes(4), JXL_48X32),
}
VALUE_ERRORS = (ValueError, IndexError, struct.error)


@pytest.mark.parametrize("format", FURTHER, ids=lambda each: each.extension)
def test_the_first_bytes_give_the_format_and_the_header_the_size(format: Format) -> None:
    """What Pillow and pillow-heif write is recognised."""
    assert ALL.sniff(MADE[format]) is format
    assert format.read_size(MADE[format]) == Size(48, 32)


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_each_form_of_a_format_states_its_size(body: bytes) -> None:
    """The kind of the pixels does not matter."""
    format = ALL.sniff(body)
    assert format is not None
    assert format.read_size(body) == Size(48, 32)


@pytest.mark.parametrize(
    ("brands", "format"),
    [
        (b"avif....mif1", AVIF),
        (b"avis....avif", AVIF),
        (b"heix....mif1", HEIC),
        (b"mif1....mif1avifmiaf", AVIF),
        (b"mif1....mif1heic", HEIC),
        (b"msf1....miafiso8hevc", HEIC),
        (b"mif1....mif1miaf", None),
        (b"isom....iso2avc1", None),
    ],
)
def test_a_brand_that_means_either_is_decided_by_the_compatible_ones(brands: bytes, format: Format | None) -> None:
    """A file of the brand mif1 that names neither codec is unknown, and so is a video."""
    assert ALL.sniff(box(b"ftyp", brands)) is format


@pytest.mark.parametrize("format", FURTHER, ids=lambda each: each.extension)
def test_no_prefix_of_a_file_breaks_a_reader(format: Format) -> None:
    """A reader says that a header is broken by the errors that `read_size` expects."""
    body = MADE[format]
    for end in range(len(body)):
        format.read_size(body[:end])


@given(st.sampled_from(FURTHER), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=20))
def test_no_damage_breaks_a_reader(format: Format, damage: list[tuple[int, int]]) -> None:
    """Whatever the bytes are, the size is one that pixels can have, or None."""
    body = bytearray(MADE[format])
    for at, value in damage:
        body[at % len(body)] = value
    size = format.read_size(bytes(body))
    assert size is None or min(size.width_px, size.height_px) > 0


@given(st.binary(max_size=300))
def test_no_meta_box_breaks_the_reader(content: bytes) -> None:
    """Nor do arbitrary bytes where the boxes should be."""
    assert HEIC.read_size(box(b"ftyp", b"heic") + box(b"meta", bytes(4), content)) is None or content


@pytest.mark.parametrize(
    ("transformations", "orientation", "size"),
    [
        ([], 1, Size(48, 32)),
        ([box(b"irot", b"\x01")], 8, Size(32, 48)),
        ([box(b"irot", b"\x02")], 3, Size(48, 32)),
        ([box(b"irot", b"\x03")], 6, Size(32, 48)),
        ([box(b"imir", b"\x00")], 4, Size(48, 32)),
        ([box(b"imir", b"\x01")], 2, Size(48, 32)),
        ([box(b"irot", b"\x01"), box(b"imir", b"\x01")], 7, Size(32, 48)),
        ([box(b"irot", b"\x03"), box(b"imir", b"\x01")], 5, Size(32, 48)),
        ([box(b"clap", struct.pack(">IIIIIIII", 40, 1, 20, 1, 0, 1, 0, 1)), box(b"irot", b"\x01")], 8, Size(20, 40)),
    ],
)
def test_transformations_of_a_heif_give_orientation_and_size(
    transformations: list[bytes], orientation: int, size: Size
) -> None:
    """`irot` turns against the clock, `imir` exchanges sides, and `clap` cuts, in the order of the item."""
    header = read_heif(make_heif([ispe(48, 32), *transformations]))
    assert (header.orientation, header.size) == (orientation, size)


def test_a_grid_counts_its_tiles() -> None:
    """A decoder fills each tile and the picture."""
    grid = struct.pack(">BBBBHH", 0, 0, 1, 2, 48, 32)
    header = read_heif(make_heif([ispe(48, 32)], tile_properties=[ispe(16, 16)], grid=grid, tiles=6))
    assert (header.size, header.decoded_pixels) == (Size(48, 32), 2 * 48 * 32)


BROKEN = {
    "a grid of huge tiles": ([ispe(48, 32)], [ispe(30_000, 30_000)], (0, 0, 1, 2, 48, 32), 6),
    "a grid with too few tiles": ([ispe(48, 32)], [ispe(16, 16)], (0, 0, 1, 2, 48, 32), 5),
    "a grid of another size": ([ispe(48, 32)], [ispe(16, 16)], (0, 0, 1, 2, 4800, 32), 6),
    "a grid whose tiles leave a gap": ([ispe(48, 32)], [ispe(8, 16)], (0, 0, 1, 2, 48, 32), 6),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_a_grid_that_is_not_as_it_says_is_refused(
    case: tuple[list[bytes], list[bytes], tuple[int, ...], int],
) -> None:
    """So no grid makes a decoder fill more than four times its own pixels."""
    properties, tile_properties, grid, tiles = case
    body = make_heif(properties, tile_properties=tile_properties, grid=struct.pack(">BBBBHH", *grid), tiles=tiles)
    with pytest.raises(VALUE_ERRORS):
        read_heif(body)


def test_a_heif_of_another_codec_is_refused() -> None:
    """A JPEG in a HEIF is not what the brand says."""
    with pytest.raises(ValueError, match="neither AV1 nor HEVC"):
        read_heif(make_heif([ispe(48, 32)], kind=b"jpeg"))


def test_a_bitstream_that_is_larger_than_its_picture_is_refused() -> None:
    """A decoder fills what the bitstream says: 30000x30000, while the file announces 48x32."""
    assert read_heif(make_heif([ispe(48, 32)], coded=(48, 32))).size == Size(48, 32)
    with pytest.raises(ValueError, match="larger than the picture"):
        read_heif(make_heif([ispe(48, 32)], coded=(30_000, 30_000)))


def test_bitstreams_state_their_size() -> None:
    """Those of AV1 in a sequence header, those of HEVC in the configuration, in whole blocks."""
    avif, heic = make_picture("AVIF", 100, 70), make_picture("HEIF", 100, 70)
    to = avif.index(b"mdat") + 4
    assert list(read_av1_sizes(avif[to:])) == [(100, 70)]
    ((width_px, height_px),) = read_hevc_sizes(heic[heic.index(b"hvcC") + 4 :])
    assert (100 <= width_px <= 164, 70 <= height_px <= 134) == (True, True)


def test_parameter_sets_beside_the_pixels_are_refused() -> None:
    """They would replace those of the configuration, whose size has been checked."""
    assert not has_parameter_sets(b"\x00\x00\x00\x02\x26\x01", 4)
    assert has_parameter_sets(b"\x00\x00\x00\x02\x42\x01", 4)


def test_a_heif_says_depth_transparency_and_colours() -> None:
    """An AVIF without an ICC profile has the numbers of H.273."""
    header = read_heif(make_picture("AVIF", mode="RGBA"))
    assert (header.codec, header.depth, header.alpha, header.profile) == (b"av01", 8, True, b"")
    assert header.nclx is not None


def test_a_tiff_with_circular_directories_is_refused() -> None:
    """A next directory that points back to the first one has no end."""
    body = bytearray(MADE[TIFF])
    (at,) = struct.unpack_from("<I", body, 4)
    (count,) = struct.unpack_from("<H", body, at)
    struct.pack_into("<I", body, at + 2 + 12 * count, at)
    with pytest.raises(VALUE_ERRORS):
        read_tiff(bytes(body))
    struct.pack_into("<I", body, at + 2 + 12 * count, len(body))
    assert read_tiff(bytes(body)).size == Size(48, 32)


def test_a_tiff_whose_strips_are_outside_of_the_file_is_refused() -> None:
    """Its end is missing."""
    plain = make_picture("TIFF", 4, 3000)
    (at,) = struct.unpack_from("<I", plain, 4)
    assert at < len(plain)
    with pytest.raises(VALUE_ERRORS):
        read_tiff(plain[:-100])


def test_a_bmp_with_missing_pixels_is_refused() -> None:
    """Runs may be short; plain rows may not."""
    with pytest.raises(ValueError, match="missing"):
        read_bmp(MADE[BMP][:-100])


def test_a_bmp_from_top_to_bottom_has_a_negative_height() -> None:
    """The size is the same."""
    body = bytearray(MADE[BMP])
    struct.pack_into("<i", body, 22, -32)
    assert read_bmp(bytes(body)).size == Size(48, 32)


def test_an_orientation_of_a_jpeg_xl_turns_its_size() -> None:
    """48x32 stored, orientation 6, animated."""
    bits = 1 | 3 << 1 | 0 << 6 | 5 << 9  # a size in eighths
    bits |= 0 << 14 | 1 << 15 | 5 << 16 | 0 << 19 | 0 << 20 | 1 << 21
    header = read_jxl(CODESTREAM + bits.to_bytes(8, "little"))
    assert (header.size, header.orientation, header.animated) == (Size(32, 48), 6, True)
