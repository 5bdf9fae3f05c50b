"""What a quality means in each format, so that pictures of one quality look about as good in all of them.

A quality is that of a JPEG. The table holds, for each format whose encoder has another scale, what that encoder gets
for some qualities; those between follow in straight lines. It is measured by SSIM on photographs:
docs/decisions/0034-qualities.md has the figures, and bench/qualities.py measures them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from imaged.core.formats import AVIF, Format

_BEST = 100
_USUAL = 75
"""The quality that settings state the encoder's value for."""

AVIF_QUALITY = 57
"""What an AVIF encoder gets for quality 75."""

AVIF_SPEED, WEBP_EFFORT = 8, 4
"""What the encoders get besides: a fair trade of bytes for time, as the same page shows."""

_POINTS: Mapping[Format, tuple[tuple[int, int], ...]] = MappingProxyType(
    {AVIF: ((1, 10), (30, 38), (50, 46), (_USUAL, AVIF_QUALITY), (90, 79), (_BEST, _BEST))}
)


def encoder_quality(format: Format, quality: int, usual: int) -> int:
    """Return what the encoder of a format gets for a quality of 1 to 100.

    `usual` is what it gets for quality 75; the rest of the scale moves with it. A format that is not in the table has
    the scale of JPEG, and `usual` does not count.
    """
    points = _POINTS.get(format)
    if points is None:
        return quality
    measured = dict(points)[_USUAL]
    for (left, low), (right, high) in pairwise(points):
        if left <= quality <= right:
            value = low + (high - low) * (quality - left) / (right - left)
            break
    if value <= measured:
        moved = value * usual / measured
    else:
        moved = _BEST - (_BEST - value) * (_BEST - usual) / (_BEST - measured)
    return max(1, min(_BEST, round(moved)))
