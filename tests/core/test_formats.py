"""The first bytes of a file give its format; its name says nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.errors import NotFoundError, PolicyError
from imaged.core.files import RECORD
from imaged.core.formats import CORE, FORMATS, GIF, JPEG, PNG, SNIFF_BYTES, WEBP, Format, Formats
from imaged.core.geometry import Size
from imaged.core.outputs import Fit, Output, parse
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

MADE: dict[str, Callable[[], bytes]] = {"jpg": make_jpeg, "png": make_png, "gif": make_gif, "webp": make_webp}
SIGNATURES = {b"\xff\xd8\xff": JPEG, b"\x89PNG\r\n\x1a\n": PNG, b"GIF87a": GIF, b"GIF89a": GIF, b"RIFF....WEBP": WEBP}
STRANGERS = [
    b"", b"\xff\xd8", b"\x89PNG", b"GIF88a", b"RIFF", b"RIFF....WAVE", b"WEBP", b"BM", b"II*\x00", b"%PDF-1.7",
    b"%!PS-Adobe", b"<svg xmlns=", b"push graphic-context", b" \xff\xd8\xff", b"\x00\x00\x00\x1cftypavif",
]  # fmt: skip


@pytest.mark.parametrize("format", CORE, ids=MADE)
def test_first_bytes_give_the_format_of_real_pictures(format: Format) -> None:
    """`SNIFF_BYTES` of a picture are enough."""
    assert FORMATS.sniff(MADE[format.extension]()[:SNIFF_BYTES]) is format


@given(st.sampled_from(list(SIGNATURES)), st.binary(max_size=32))
def test_only_the_signature_counts(signature: bytes, rest: bytes) -> None:
    """The bytes after a signature change nothing."""
    assert FORMATS.sniff(signature + rest) is SIGNATURES[signature]


@pytest.mark.parametrize("head", STRANGERS)
def test_other_files_have_no_format(head: bytes) -> None:
    """Half a signature, another format and a script have no known format."""
    assert FORMATS.sniff(head) is None


@given(st.binary(max_size=2 * SNIFF_BYTES))
def test_no_more_bytes_are_needed_than_said(head: bytes) -> None:
    """The first bytes and the whole file give the same format."""
    assert FORMATS.sniff(head) is FORMATS.sniff(head[:SNIFF_BYTES])


def test_extensions_are_in_the_order_of_the_default_settings() -> None:
    """No two core formats share an extension or a content type."""
    assert [format.extension for format in FORMATS.known] == ["jpg", "png", "gif", "webp"]
    assert len(FORMATS.content_types) == len(CORE)


@pytest.mark.parametrize("format", CORE, ids=MADE)
def test_formats_hold_what_their_specifications_say(format: Format) -> None:
    """JPEG has neither transparency nor animation, imaged reads no animated PNG, and every side is bounded."""
    assert format.alpha == (format is not JPEG)
    assert format.animation == (format in {GIF, WEBP})
    assert 10_000 < format.maximum_side_px < 2**31
    assert format.content_type.startswith("image/")


PPM = Format("ppm", "image/x-portable-pixmap", False, False, 99, (((0, b"P6"),),), lambda body: (body[3], body[4]))
"""A made-up format whose header has its width in the fourth byte, and its height in the fifth."""


def test_a_name_in_a_format_that_is_not_written_is_refused() -> None:
    """The message lists the formats that are written. A text that is no name raises NotFoundError."""
    formats = Formats(reads=(JPEG, PPM), writes=(JPEG, PNG))
    assert formats.parse("w500.png") == Output(Fit(500), "png")
    for name in ("w500.ppm", "w500.gif"):
        with pytest.raises(PolicyError, match="is not one of jpg, png"):
            formats.parse(name)
    with pytest.raises(NotFoundError):
        formats.parse("w500")


@pytest.mark.parametrize("extension", ["bmp", "jpeg", "svg", "mvg", "php", "gz", "webp2", "tiff"])
def test_unknown_extensions_are_refused(extension: str) -> None:
    """A name in a format that no processor writes is refused, and the message lists those that are written."""
    with pytest.raises(PolicyError, match=f"extension '{extension}' is not one of jpg, png, gif, webp"):
        FORMATS.parse(f"w500.{extension}")


def test_formats_that_are_only_read_or_only_written_are_sniffed() -> None:
    """An original may have a format that is not written, and an output one that is not read."""
    formats = Formats(reads=(PPM,), writes=(JPEG,))
    assert formats.known == (PPM, JPEG)
    assert formats.sniff(b"P6 and so on") is PPM
    assert formats.sniff(make_jpeg()) is JPEG
    assert formats.sniff(make_png()) is None


def test_a_file_has_the_content_type_of_its_format() -> None:
    """The record is JSON, and an output has the type of its format."""
    assert FORMATS.content_type(RECORD) == "application/json"
    assert FORMATS.content_type(parse("x300.webp")) == "image/webp"


@pytest.mark.parametrize("format", CORE, ids=MADE)
def test_a_header_states_the_size(format: Format) -> None:
    """A broken header has no size."""
    body = MADE[format.extension]()
    assert format.read_size(body) == Size(48, 32)
    assert format.read_size(body[:8]) is None


def test_a_header_that_the_function_of_a_plugin_cannot_read_has_no_size() -> None:
    """ValueError, IndexError and struct.error say that the header is broken; so does a side of no pixels."""
    assert PPM.read_size(b"P6") is None
    assert PPM.read_size(b"P6\n\0\1") is None
