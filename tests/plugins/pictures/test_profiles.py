"""Profiles are applied from every container, within limits, and then stripped."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable

import pytest
from picture_files import difference, encode, gradient
from PIL import Image, ImageCms
from profile_files import CARRIERS, laborious_profile, swapped_profile, top_left, webp_with

from imaged.testing.pictures import make_webp

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", ["full_size.png", "full_size-q100.webp", "x30-q100.jpg"])
def test_every_container_s_profile_is_applied(render: Render, opened: Opened, carrier: str, name: str) -> None:
    """A profile that swaps red and green is applied from every container."""
    (body,) = render(CARRIERS[carrier](swapped_profile()), name)
    assert top_left(opened(body)) == pytest.approx((0, 255, 0), abs=20)


def test_a_profile_in_a_webp_needs_its_flag(render: Render, opened: Opened) -> None:
    """A profile that the header does not announce is ignored, as in browsers (RFC 9649, 2.7.1)."""
    (body,) = render(webp_with(make_webp(), 0, (b"ICCP", swapped_profile())), "full_size.png")
    assert top_left(opened(body)) == (255, 0, 0)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_laborious_profile_costs_little(render: Render, opened: Opened, carrier: str) -> None:
    """A small profile that demands endless work for each colour costs little: its other tags, or none, are applied."""
    steps = 3_000 if carrier.startswith("jpg") else 600_000  # a segment of a JPEG has 64 kB
    began_s = time.thread_time()
    (body,) = render(CARRIERS[carrier](laborious_profile(steps)), "full_size.png")
    assert time.thread_time() - began_s < 5
    assert [part > 127 for part in top_left(opened(body))] in ([False, True, False], [True, False, False])


def is_usable(profile: bytes) -> bool:
    """Return whether littleCMS converts with a profile."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError):
        return False
    return True


def test_a_damaged_profile_is_ignored(render: Render, opened: Opened) -> None:
    """A picture whose profile has wrong bytes is rendered, without the profile where littleCMS cannot use it."""
    chance, ignored = random.Random(1), 0
    for _ in range(60):
        damaged = bytearray(swapped_profile())
        for _ in range(chance.choice((1, 2, 6))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        for format in ("PNG", "JPEG"):
            picture = gradient().resize((40, 30))
            (body,) = render(encode(picture, format, quality=95, icc_profile=bytes(damaged)), "full_size.png")
            if not is_usable(bytes(damaged)):
                assert difference(opened(body), picture) < 3
                ignored += 1
    assert ignored > 20
