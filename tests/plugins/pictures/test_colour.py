"""Colours are converted to sRGB as littleCMS converts them."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from picture_files import difference, encode, gradient
from PIL import Image, ImageCms
from profile_files import SRGB

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]
Shared = Callable[[str], bytes]


def converted(image: Image.Image) -> Image.Image:
    """Return a picture converted from its profile to sRGB by littleCMS."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    source = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    result = ImageCms.profileToProfile(source, profile, srgb, outputMode="RGB")
    assert result is not None
    return result


def wide_profile() -> bytes:
    """Return littleCMS's sRGB with red and green further apart: a wide gamut."""
    profile = bytearray(SRGB)
    for name, change in ((b"rXYZ", 5000), (b"gXYZ", -5000)):
        entry = profile.index(name)
        start = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        value = int.from_bytes(profile[start : start + 4], "big", signed=True) + change
        profile[start : start + 4] = value.to_bytes(4, "big", signed=True)
    return bytes(profile)


@pytest.mark.parametrize("name", ["full_size.png", "full_size-q95.jpg", "full_size-q95.webp"])
def test_wide_gamut_is_converted(render: Render, opened: Opened, name: str) -> None:
    """A profile is applied before it is stripped."""
    original = encode(gradient(), "PNG", icc_profile=wide_profile())
    wanted = converted(opened(original))
    assert difference(wanted, gradient()) > 4
    assert difference(opened(render(original, name)[0]), wanted) < 3


@pytest.mark.parametrize("name", ["Channel_digital_image_CMYK_color.jpg", "p3.png", "prophoto.png"])
def test_real_profiles_are_converted(shared: Shared, render: Render, opened: Opened, name: str) -> None:
    """Real CMYK and wide gamut pictures are within 3 of 255 of littleCMS."""
    original = shared(name)
    (body,) = render(original, "full_size.png")
    image = opened(original)
    if image.mode == "RGBA":
        image = Image.merge("RGB", image.split()[:3])
        image.info["icc_profile"] = opened(original).info["icc_profile"]
    assert difference(Image.merge("RGB", opened(body).convert("RGB").split()), converted(image)) < 3


def test_cmyk_without_profile_is_sensible(render: Render, opened: Opened) -> None:
    """CMYK without a profile becomes cyan, magenta, yellow, black and white."""
    inks = [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0)]
    image = Image.new("CMYK", (50, 10))
    for number, ink in enumerate(inks):
        image.paste(ink, (10 * number, 0, 10 * number + 10, 10))
    (body,) = render(encode(image, "JPEG", quality=100), "full_size.png")
    seen = [opened(body).convert("RGB").getpixel((10 * number + 5, 5)) for number in range(5)]
    wanted = [(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0), (255, 255, 255)]
    for have, want in zip(seen, wanted, strict=True):
        assert have == pytest.approx(want, abs=25)


def test_grey_profile_is_applied(render: Render, opened: Opened) -> None:
    """A grey picture with a linear tone curve becomes brighter."""
    profile = grey_profile()
    original = encode(Image.linear_gradient("L"), "PNG", icc_profile=profile)
    middle = opened(render(original, "full_size.png")[0]).convert("L").getpixel((0, 128))
    assert middle == pytest.approx(188, abs=3)  # sRGB's code for half the light


def test_grey_with_a_colour_profile(render: Render, opened: Opened) -> None:
    """A grey picture with an RGB profile, as editors save it, does not change."""
    original = encode(Image.linear_gradient("L"), "PNG", icc_profile=SRGB)
    assert opened(render(original, "full_size.png")[0]).convert("L").tobytes() == Image.linear_gradient("L").tobytes()
    wide = encode(Image.linear_gradient("L"), "JPEG", quality=100, icc_profile=wide_profile())
    assert len(render(wide, "full_size.png")) == 1


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("profile", ["broken", "short", "grey"])
def test_unusable_profiles_are_passed_over(render: Render, opened: Opened, mode: str, profile: str) -> None:
    """A profile that is broken, or made for other channels, is ignored."""
    profiles = {"broken": b"nonsense" * 50, "short": SRGB[:300], "grey": grey_profile()}
    original = encode(gradient().convert(mode), "JPEG", quality=100, icc_profile=profiles[profile])
    (body,) = render(original, "full_size.png")
    if mode == "RGB":
        assert difference(opened(body), gradient()) < 3


def grey_profile() -> bytes:
    """Return a grey profile whose tone curve is linear."""
    white = b"XYZ " + bytes(4) + b"".join(round(part * 65536).to_bytes(4, "big") for part in (0.9642, 1.0, 0.8249))
    curve = b"curv" + bytes(8)
    text = b"text" + bytes(4) + b"grey\x00" + bytes(3)
    header = bytearray(SRGB[:128])
    header[8:12], header[16:20] = b"\x02\x40\x00\x00", b"GRAY"
    header = header[:]
    tags = [(b"wtpt", white), (b"kTRC", curve), (b"cprt", text)]
    at, table, data = 128 + 4 + 12 * len(tags), len(tags).to_bytes(4, "big"), b""
    for name, element in tags:
        table += name + (at + len(data)).to_bytes(4, "big") + len(element).to_bytes(4, "big")
        data += element
    header[0:4] = (128 + len(table) + len(data)).to_bytes(4, "big")
    return bytes(header) + table + data
