"""A detector behind checks: what breaks the contract becomes an error that names the plugin."""

from __future__ import annotations

import math
from typing import Any

from imaged.core.errors import ImagedError
from imaged.core.geometry import Size
from imaged.core.perception.regions import Region
from imaged.core.samples import Sample
from imaged.hooks.boundary import broken, kind_of, plugin_boundary, refuse
from imaged.hooks.contracts import Detector

DETECT_S = 5.0
"""How long `detect` may take before the log names the plugin."""

MOST_REGIONS = 1000
MOST_WEIGHT = 1e6


class CheckedDetector:
    """Calls `detector`, the plugin `name` of the YAML file, and checks what it returns. Workers only.

    `side_px` and `detail` are what it says about itself.
    """

    def __init__(self, name: str, detector: Detector, side_px: int, detail: str = "") -> None:
        self.name = name
        self.side_px = side_px
        self.detail = detail
        self._detector: Any = detector  # plugins may be untyped

    def detect(self, sample: Sample) -> tuple[Region, ...]:
        """Return the regions that the detector finds. Raises PluginFailedError, which the log has already."""
        called = f"detector {self.name}: detect"
        with plugin_boundary(called, DETECT_S):
            try:
                regions = self._detector.detect(sample)
            except ImagedError as error:  # the contract allows none
                raise broken(called, error) from error
        if not isinstance(regions, list | tuple):
            raise refuse(called, f"it returned {kind_of(regions)}, not a list of Region")
        if len(regions) > MOST_REGIONS:
            raise refuse(called, f"it returned more than {MOST_REGIONS} regions")
        if not all(isinstance(each, Region) and _is_within(each, sample.size) for each in regions):
            raise refuse(called, "it returned a region that is no Region, lies outside the sample, or has no weight")
        return tuple(regions)


def _is_within(region: Region, size: Size) -> bool:
    numbers = (region.left_px, region.top_px, region.width_px, region.height_px, region.weight)
    if not all(type(each) in {int, float} and math.isfinite(each) for each in numbers):
        return False
    across = region.left_px >= 0 and region.width_px > 0 and region.left_px + region.width_px <= size.width_px
    down = region.top_px >= 0 and region.height_px > 0 and region.top_px + region.height_px <= size.height_px
    return across and down and 0 < region.weight <= MOST_WEIGHT
