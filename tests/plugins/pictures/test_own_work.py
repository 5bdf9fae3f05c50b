"""What the first processor of a setting must do itself: the other tests also pass when the next one does it."""

from __future__ import annotations

import pytest
from picture_files import encode, gradient
from PIL import Image
from processor_chain import Chain
from profile_files import CARRIERS, swapped_profile

from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

RGB = gradient().resize((120, 80))
CLEAR = RGB.copy()
CLEAR.putalpha(Image.radial_gradient("L").resize(CLEAR.size))
STILLS = ("x30.jpg", "w50.png", "30x40.webp", "full_size.jpg", "full_size.png", "full_size-q90.webp")


ORIGINALS = {
    "JPEG": encode(RGB, "JPEG"),
    "JPEG, progressive": encode(RGB, "JPEG", progressive=True),
    "JPEG, sideways": make_jpeg(6),
    "JPEG, grey": encode(RGB.convert("L"), "JPEG"),
    "JPEG, CMYK": encode(RGB.convert("CMYK"), "JPEG"),
    "JPEG with a profile": CARRIERS["jpg"](swapped_profile()),
    "PNG": encode(RGB, "PNG"),
    "PNG, sideways": make_png(orientation=6),
    "PNG with transparency": encode(CLEAR, "PNG"),
    "PNG, grey": encode(RGB.convert("L"), "PNG"),
    "PNG, grey with transparency": encode(CLEAR.convert("LA"), "PNG"),
    "PNG, black and white": encode(RGB.convert("1"), "PNG"),
    "PNG, palette": encode(RGB.quantize(64), "PNG"),
    "PNG, palette with transparency": encode(RGB.quantize(64), "PNG", transparency=3),
    "PNG with a profile": CARRIERS["png"](swapped_profile()),
    "WebP": make_webp(),
    "WebP with transparency": encode(CLEAR, "WEBP"),
    "WebP, lossless": encode(CLEAR, "WEBP", lossless=True),
    "WebP with a profile": CARRIERS["webp"](swapped_profile()),
    "GIF": make_gif(),
}


@pytest.mark.parametrize("original", ORIGINALS)
def test_common_pictures_are_its_own_work(chain: Chain, original: str) -> None:
    """The first processor renders still JPEG, PNG and WebP outputs of common pictures itself."""
    assert chain.does_itself(ORIGINALS[original], *STILLS)
