"""Turn coding-independent code points (cICP, ITU-T H.273) into an ICC profile."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

from imaged.core.colours.rgb_spaces import BT709, Primaries, power_curve, space_profile
from imaged.core.colours.srgb_profile import srgb_curve

_ILLUMINANT_C, _DCI_WHITE, _EQUAL_ENERGY = (0.310, 0.316), (0.314, 0.351), (1 / 3, 1 / 3)
_BT601 = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_PRIMARIES = {  # table 2
    1: BT709,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _ILLUMINANT_C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _BT601,
    7: _BT601,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _ILLUMINANT_C),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    10: Primaries((1, 0), (0, 1), (0, 0), _EQUAL_ENERGY),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI_WHITE),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
_PQ_M, _PQ_N, _PQ_C = 78.84375, 0.1593017578125, (0.8359375, 18.8515625, 18.6875)
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2  # the system gamma of a display with the peak below (BT.2100, table 5)
_PEAK_NITS, _WHITE_NITS = 1000.0, 203.0  # the peak of common masters; reference white (BT.2408)
_SCALE, _BLACK, _RANGE = 255, 16, 219  # narrow range video of 8 bits is 16 to 235


@lru_cache(maxsize=64)
def cicp_profile(code_points: bytes) -> bytes | None:
    """Return the profile for the four bytes of a cICP chunk, None for code points that are unknown here.

    The third, the matrix coefficients, must be 0, which is RGB, in a PNG.
    """
    if len(code_points) != 4 or code_points[2] != 0 or code_points[3] > 1:  # noqa: PLR2004 -- four code points
        return None
    primaries, light = _PRIMARIES.get(code_points[0]), _CURVES.get(code_points[1])
    if primaries is None or light is None:
        return None
    return space_profile(primaries, light if code_points[3] else partial(_narrow, light))


def _narrow(light: Callable[[float], float], value: float) -> float:
    """Apply a curve to a narrow range value (8.3, VideoFullRangeFlag 0)."""
    return light(min(1.0, max(0.0, (value * _SCALE - _BLACK) / _RANGE)))


def _logarithmic(range: float, value: float) -> float:
    return float(10 ** (range * (value - 1))) if value > 0 else 0.0


def _camera(slope: float, alpha: float, beta: float, value: float) -> float:
    """Invert a camera's transfer function that is linear below `beta`."""
    return value / slope if value < slope * beta else float(((value + alpha - 1) / alpha) ** (1 / 0.45))


def _pq(value: float) -> float:
    """Return the tone-mapped light of a PQ value (SMPTE ST 2084), which is absolute."""
    root, (c1, c2, c3) = value ** (1 / _PQ_M), _PQ_C
    return _tone_mapped(10_000 * float((max(root - c1, 0) / (c2 - c3 * root)) ** (1 / _PQ_N)))


def _hlg(value: float) -> float:
    """Return the tone-mapped light of an HLG value (ARIB STD-B67) on a display of our peak, for each channel alone."""
    half = 0.5
    scene = value**2 / 3 if value <= half else (math.exp((value - _HLG_C) / _HLG_A) + _HLG_B) / 12
    return _tone_mapped(_PEAK_NITS * float(scene**_HLG_GAMMA))


def _pq_of(nits: float) -> float:
    root, (c1, c2, c3) = (nits / 10_000) ** _PQ_N, _PQ_C
    return float(((c1 + c2 * root) / (1 + c3 * root)) ** _PQ_M)


def _tone_mapped(nits: float) -> float:
    """Map light of up to our peak to at most reference white, with the curve of BT.2390 (5.4.1)."""
    peak = _pq_of(_PEAK_NITS)
    largest = _pq_of(_WHITE_NITS) / peak
    knee = 1.5 * largest - 0.5
    shown = min(1.0, _pq_of(nits) / peak)
    if shown > knee:
        t = (shown - knee) / (1 - knee)
        shown = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * largest
    root, (c1, c2, c3) = (shown * peak) ** (1 / _PQ_M), _PQ_C
    return float((max(root - c1, 0) / (c2 - c3 * root)) ** (1 / _PQ_N)) * 10_000 / _WHITE_NITS


_CURVES: dict[int, Callable[[float], float]] = {  # table 3
    **dict.fromkeys((1, 6, 11, 12, 14, 15), partial(power_curve, 2.4)),  # one camera curve, for the display of BT.1886
    4: partial(power_curve, 2.2),
    5: partial(power_curve, 2.8),
    7: partial(_camera, 4.0, 1.1115, 0.0228),
    8: partial(power_curve, 1.0),
    9: partial(_logarithmic, 2.0),
    10: partial(_logarithmic, 2.5),
    13: srgb_curve,
    16: _pq,
    17: lambda value: 52.37 / 48 * value**2.6,
    18: _hlg,
}
