"""Let libjpeg shrink a JPEG while it decodes: by how much, and how ImageMagick is asked for it."""

from __future__ import annotations

from collections.abc import Iterable

from imaged.api import Plan, Size, oriented

from .filters import DETAILED_PIXELS, Filter

_DIVISORS = {1: 8, 2: 4, 3: 3, 4: 2}
"""What `jpeg:size` divides the size by, for libjpeg to decode at so many eighths of it.

ImageMagick divides the size of the JPEG by that of the option. Older versions round the quotient down and pass it to
libjpeg, which decodes at the next eighth above its reciprocal; newer ones pass the nearest eighth (ReadJPEGImage in
coders/jpeg.c). With these divisors both decode at the same eighths. Older ones have no 5, 6 and 7 eighths.
"""
_LEAST_PX = 64
"""The longer side from which rounding to pixels changes no quotient so much that the eighths change."""


def jpeg_size_hint(size: Size, plans: Iterable[Plan], orientation: int, filter: Filter) -> str | None:
    """Return the `jpeg:size` that suffices for all plans, in the file's own axes, or None for full size.

    The decoded picture is larger than every plan's by the ratio that the filter asks for.
    """
    needs = [need.scaled for need in plans]
    width_px = max((need.width_px for need in needs), default=1)
    height_px = max((need.height_px for need in needs), default=1)
    if max(size.width_px, size.height_px) < _LEAST_PX:
        return None
    ratios = filter.detailed if size.pixels <= DETAILED_PIXELS else filter.decoded
    for eighths, ratio in sorted(ratios.items()):
        if min(size.width_px / width_px, size.height_px / height_px) * eighths / 8 >= ratio:
            own, divisor = oriented(size, orientation), _DIVISORS[eighths]
            return f"{max(1, own.width_px // divisor)}x{max(1, own.height_px // divisor)}"
    return None
