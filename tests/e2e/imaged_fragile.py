"""A test plugin: a detector that ends its process, hangs, finds what is not in the picture, or works."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from imaged.api import Detector, Host, Region, Sample, hookimpl


class Options(BaseModel):
    """The section `plugins.fragile`: how it fails, or `work`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    how: str


class Fragile:
    """Fails at each sample, or finds its left upper corner."""

    detail, side_px = "fragile", 32

    def __init__(self, how: str) -> None:
        self._how = how

    def detect(self, sample: Sample) -> Sequence[Region]:
        """Fail, or find the corner."""
        if self._how == "abort":
            os.abort()
        while self._how == "hang":
            time.sleep(1)
        size = sample.size
        if self._how == "work":
            return [Region(0, 0, size.width_px / 10, size.height_px / 10)]
        return [Region(0, 0, size.width_px * 2, 1)]


@hookimpl
def imaged_detector(host: Host) -> Detector | None:
    """Offer one."""
    return Fragile(host.options(Options).how)
