"""How alike two pictures look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE_PX, _SIGMA_PX = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Values = NDArray[np.float64]


def similarity(one: Image.Image, other: Image.Image) -> float:
    """Return the mean structural similarity of the luma of two pictures of one size: 1.0 if they are equal.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    2004, with its Gaussian window of 11x11 pixels, where it lies within the picture.
    """
    a, b = (np.asarray(each.convert("RGB").convert("L"), np.float64) for each in (one, other))
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a, variance_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return float((light * structure).mean())


def _blurred(values: Values) -> Values:
    """Return the Gaussian means of all windows that lie within the values."""
    places = np.arange(_SIDE_PX) - _SIDE_PX // 2
    weights = np.exp(-(places**2) / (2 * _SIGMA_PX**2))
    weights /= weights.sum()
    for _ in range(2):
        windows = np.lib.stride_tricks.sliding_window_view(values, _SIDE_PX, axis=0)
        values = (windows @ weights).T
    return values
