"""The profile of the plugin is sRGB, and sRGB is recognized in its editions."""

from __future__ import annotations

import io
from collections.abc import Callable

from picture_files import difference, gradient
from PIL import Image, ImageCms

from imaged.core.colours.srgb_profile import is_srgb, srgb_profile

Opened = Callable[[bytes], Image.Image]
Shared = Callable[[str], bytes]


def test_our_profile_is_srgb() -> None:
    """LittleCMS reads our profile, calls it sRGB, and finds nothing to convert."""
    ours = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    assert ImageCms.getProfileDescription(ours).strip() == "sRGB"
    result = ImageCms.profileToProfile(gradient(), ours, theirs)
    assert result is not None
    assert difference(result, gradient()) == 0


def test_srgb_is_recognized(shared: Shared, opened: Opened) -> None:
    """SRGB in its many editions needs no conversion; other spaces do."""
    assert is_srgb(srgb_profile())
    assert is_srgb(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert not is_srgb(srgb_profile().replace(b"rXYZ", b"gXYZ", 1))
    assert not is_srgb(b"")
    assert not is_srgb(srgb_profile()[:200])
    for name in ("p3.png", "prophoto.png", "Channel_digital_image_CMYK_color.jpg"):
        assert not is_srgb(opened(shared(name)).info["icc_profile"])
