"""First bytes tell the format, names and extensions tell nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.formats import FORMATS, GIF, JPEG, PNG, SNIFF_BYTES, WEBP, Format, sniff
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

MADE: dict[str, Callable[[], bytes]] = {"jpg": make_jpeg, "png": make_png, "gif": make_gif, "webp": make_webp}
SIGNATURES = {b"\xff\xd8\xff": JPEG, b"\x89PNG\r\n\x1a\n": PNG, b"GIF87a": GIF, b"GIF89a": GIF, b"RIFF....WEBP": WEBP}
STRANGERS = [
    b"", b"\xff\xd8", b"\x89PNG", b"GIF88a", b"RIFF", b"RIFF....WAVE", b"WEBP", b"BM", b"II*\x00", b"%PDF-1.7",
    b"%!PS-Adobe", b"<svg xmlns=", b"push graphic-context", b" \xff\xd8\xff", b"\x00\x00\x00\x1cftypavif",
]  # fmt: skip


@pytest.mark.parametrize("extension", FORMATS)
def test_real_pictures_are_told_by_their_first_bytes(extension: str) -> None:
    """The first few bytes of a picture of each format are enough."""
    assert sniff(MADE[extension]()[:SNIFF_BYTES]) is FORMATS[extension]


@given(st.sampled_from(list(SIGNATURES)), st.binary(max_size=32))
def test_only_the_signature_counts(signature: bytes, rest: bytes) -> None:
    """Whatever follows a signature changes nothing."""
    assert sniff(signature + rest) is SIGNATURES[signature]


@pytest.mark.parametrize("head", STRANGERS)
def test_strangers_are_no_pictures(head: bytes) -> None:
    """Half a signature, another format or a script is none of ours."""
    assert sniff(head) is None


@given(st.binary(max_size=2 * SNIFF_BYTES))
def test_no_more_bytes_are_needed_than_said(head: bytes) -> None:
    """The verdict on the first bytes is the verdict on all of them."""
    assert sniff(head) is sniff(head[:SNIFF_BYTES])


def test_extensions_are_in_the_order_of_the_default_settings() -> None:
    """Each format is found by its own extension, and no two share a content type."""
    assert list(FORMATS) == ["jpg", "png", "gif", "webp"]
    assert [format.extension for format in FORMATS.values()] == list(FORMATS)
    assert len({format.content_type for format in FORMATS.values()}) == len(FORMATS)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_formats_hold_what_their_specifications_say(format: Format) -> None:
    """JPEG has neither transparency nor animation, PNG no animation that we read, and no side is unbounded."""
    assert format.alpha == (format is not JPEG)
    assert format.animation == (format in {GIF, WEBP})
    assert 10_000 < format.maximum_side_px < 2**31
    assert format.content_type.startswith("image/")
