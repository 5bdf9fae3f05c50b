"""Transforms of common profiles are kept, and those of large ones are not: a client must not fill the memory."""

from __future__ import annotations

import struct

from picture_files import gradient
from profile_files import swapped_profile

from imaged_pillow import colours


def padded(profile: bytes, length: int) -> bytes:
    """Return a profile with bytes after its tags."""
    return struct.pack(">I", length) + profile[4:].ljust(length - 4, b"\x00")


def test_large_profiles_are_not_kept() -> None:
    """They convert the colours nevertheless."""
    picture = gradient().resize((8, 8))
    green = picture.getchannel("G")
    profiles = [padded(swapped_profile(), length) for length in (2**20, 10_000)]
    kept = []
    for profile in profiles:
        before = colours._kept_transform.cache_info().misses
        converted = colours.to_srgb(picture, profile)
        kept.append(colours._kept_transform.cache_info().misses - before)
        assert all(abs(a - b) < 4 for a, b in zip(converted.getchannel("R").tobytes(), green.tobytes(), strict=True))
    assert kept == [0, 1]
