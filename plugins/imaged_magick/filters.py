"""How pictures shrink: the filters `fast`, `good` and `best`, as measured in `docs/decisions/0026-resizing.md`.

A ratio is a side of a picture divided by the same side of what it is resized to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

LANCZOS, CUBIC = "lanczos", "catrom"
"""Filters by Wand's names. Both read pixels around the one that they make: 3 to each side, or 2."""


@dataclass(frozen=True)
class Filter:
    """The steps from an original to an output.

    `decoded` is the ratio that libjpeg's picture must have, by the eighths of the size that it decodes at;
    `detailed` is that for originals of up to DETAILED_PIXELS, which have details in each pixel and cost little.
    `averaged` is the ratio that averaging whole blocks of pixels leaves to the kernel. `kernel` does the rest:
    LANCZOS, or CUBIC with the parameter `sharpness`, C of Mitchell and Netravali (1988), with B = 0. An output may
    be made from a larger one of the same job from the ratio `reused` on.
    """

    decoded: Mapping[int, float]
    detailed: Mapping[int, float]
    averaged: float
    kernel: str
    sharpness: float
    reused: float


DETAILED_PIXELS = 4_000_000
_FAST, _TWICE = {1: 1.3, 2: 1.1, 3: 1.0, 4: 1.0}, {1: 2.0, 2: 2.0, 3: 2.0, 4: 2.0}

FILTERS = MappingProxyType(
    {
        # libjpeg's picture at an eighth has its lowest frequencies only, so it needs more reserve than the others.
        "fast": Filter(_FAST, _FAST, 1.25, CUBIC, 1.0, 1.5),
        "good": Filter({1: 1.7, 2: 1.5, 3: 1.3, 4: 1.36}, _TWICE, 2.0, CUBIC, 0.9, 2.0),
        "best": Filter(_TWICE, _TWICE, 4.0, LANCZOS, 0.0, inf),
    }
)
"""The filters by the value of the option."""
