"""A test plugin: a detector that ends its process, hangs, or asks for what a worker may not do."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from imaged.api import Detector, Host, Region, Sample, hookimpl


class Options(BaseModel):
    """The section `plugins.fragile`: how it fails."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    how: str


class Fragile:
    """Fails at each sample."""

    detail, side_px = "fragile", 32

    def __init__(self, how: str) -> None:
        self._how = how

    def detect(self, sample: Sample) -> Sequence[Region]:
        """Fail."""
        if self._how == "abort":
            os.abort()
        while self._how == "hang":
            time.sleep(1)
        return [Region(0, 0, sample.size.width_px * 2, 1)]


@hookimpl
def imaged_detector(host: Host) -> Detector | None:
    """Offer one."""
    return Fragile(host.options(Options).how)
