"""How pictures shrink: the filters `fast`, `good` and `best`, as measured in docs/decisions/0025-pillow.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from imaged.api import Size

DETAILED_PIXELS = 4_000_000


@dataclass(frozen=True)
class Filter:
    """How much larger a picture is than the output that a Lanczos filter makes of it, at least.

    `shrunk` is for a JPEG that libjpeg has shrunk to an eighth, a quarter or a half, which is less sharp; it has fast
    code for these. `detailed` is the same for a JPEG of up to DETAILED_PIXELS: small photographs have details in each
    pixel, and cost little. `reused` is for a larger output of the same job.
    """

    shrunk: Mapping[int, float]
    detailed: Mapping[int, float]
    reused: float

    def reductions(self, stored: Size) -> Mapping[int, float]:
        """Return `shrunk` or `detailed`, by the size of an original."""
        return self.detailed if stored.pixels <= DETAILED_PIXELS else self.shrunk


_FAST, _TWICE = {8: 1.1, 4: 1.1, 2: 1.02}, {8: 2.0, 4: 2.0, 2: 2.0}

FILTERS = MappingProxyType(
    {
        "fast": Filter(_FAST, _FAST, 1.5),
        "good": Filter({8: 1.6, 4: 1.5, 2: 1.36}, _TWICE, 2.0),
        "best": Filter(_TWICE, _TWICE, inf),
    }
)
"""The filters by the value of the option."""
