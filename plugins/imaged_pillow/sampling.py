"""Give a small picture of an original, for looking at it."""

from __future__ import annotations

from imaged.api import Plan, Sample

from .colours import to_srgb
from .decoding import Decoded
from .resizing import resize, upright

_OPAQUE = 255


def take_sample(decoded: Decoded, wanted: Plan) -> Sample:
    """Return a sample of a decoded picture."""
    original = decoded.original
    has_alpha = decoded.picture.mode == "RGBA"
    picture = to_srgb(upright(resize(decoded, wanted), original.orientation), original.profile)
    return Sample(
        size=wanted.size,
        rgba=picture.convert("RGBA").tobytes(),
        transparency=has_alpha and decoded.picture.getchannel("A").getextrema() != (_OPAQUE, _OPAQUE),
        orientation=max(original.orientation, original.decoder_turns),
        profile=original.profile_name,
    )
