"""How pictures shrink: the filters `fast`, `good` and `best`, as measured in docs/decisions/0025-pillow.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType


@dataclass(frozen=True)
class Filter:
    """How much larger a picture is than the output that a Lanczos filter makes of it, at least.

    `shrunk` is for a JPEG that libjpeg has shrunk to an eighth, a quarter or a half, which is less sharp; it has fast
    code for these. `reused` is for a larger output of the same job.
    """

    shrunk: Mapping[int, float]
    reused: float


FILTERS = MappingProxyType(
    {
        "fast": Filter({8: 1.1, 4: 1.1, 2: 1.02}, 1.5),
        "good": Filter({8: 1.6, 4: 1.5, 2: 1.36}, 2.0),
        "best": Filter({8: 2.0, 4: 2.0, 2: 2.0}, inf),
    }
)
"""The filters by the value of the option."""
