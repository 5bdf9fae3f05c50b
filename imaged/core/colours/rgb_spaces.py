"""RGB colour spaces of three primaries, a white point and a transfer curve, as ICC profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imaged.core.colours.icc_writer import D50, sampled_curve, write_profile

Chromaticity = tuple[float, float]
"""CIE 1931 x and y."""
_Row = tuple[float, float, float]
_Matrix = tuple[_Row, _Row, _Row]

D65: Chromaticity = (0.3127, 0.3290)
_CONES: _Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))  # Bradford
_SAMPLES = 4096
_LARGEST = 100.0  # the largest XYZ value of a primary that is taken for valid


@dataclass(frozen=True)
class Primaries:
    """The chromaticities of red, green and blue, and of the white point."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = D65

    def under_d50(self) -> list[_Row] | None:
        """Return the XYZ of red, green and blue, adapted to D50; None if they span no colour space.

        The matrix is that of SMPTE RP 177, with Bradford adaptation (ICC.1:2010, annex E).
        """
        columns = [(x, y, 1 - x - y) for x, y in (self.red, self.green, self.blue)]
        x, y = self.white
        try:
            white = (x / y, 1.0, (1 - x - y) / y)
            amounts = _apply(_inverse(_transposed(columns)), white)
            gains = [to / source for to, source in zip(_apply(_CONES, D50), _apply(_CONES, white), strict=True)]
        except ZeroDivisionError:
            return None
        cones = [_apply(_CONES, _scaled(column, [amount] * 3)) for column, amount in zip(columns, amounts, strict=True)]
        seen = [_apply(_inverse(_CONES), _scaled(cone, gains)) for cone in cones]
        sane = all(abs(value) < _LARGEST for colour in seen for value in colour) and min(amounts) > 0
        return seen if sane else None


BT709 = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
"""The primaries of sRGB, too."""


def power_curve(exponent: float, value: float) -> float:
    """Return the linear light of a value of 0 to 1, for a plain power curve."""
    return float(value**exponent)


def space_profile(primaries: Primaries, light: Callable[[float], float]) -> bytes | None:
    """Return the profile of a space, None for invalid primaries. `light` linearises a value of 0 to 1."""
    colours = primaries.under_d50()
    if colours is None:
        return None
    samples = [min(1.0, max(0.0, light(number / (_SAMPLES - 1)))) for number in range(_SAMPLES)]
    return write_profile("as the picture says", colours, sampled_curve(samples))


def _apply(matrix: Sequence[_Row], column: Sequence[float]) -> _Row:
    one, two, three = (sum(a * b for a, b in zip(row, column, strict=True)) for row in matrix)
    return one, two, three


def _scaled(column: Sequence[float], factors: Sequence[float]) -> _Row:
    one, two, three = (value * factor for value, factor in zip(column, factors, strict=True))
    return one, two, three


def _transposed(matrix: Sequence[_Row]) -> Sequence[_Row]:
    return list(zip(*matrix, strict=True))


def _inverse(matrix: Sequence[_Row]) -> Sequence[_Row]:
    """Return the inverse by Cramer's rule. Raises ZeroDivisionError for a singular matrix."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return [_scaled(row, [1 / determinant] * 3) for row in cofactors]
