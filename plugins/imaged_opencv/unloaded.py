"""The detector as the daemon has it while worker processes render: without OpenCV."""

from __future__ import annotations

from collections.abc import Sequence

from imaged.api import Region, Sample

SIDE_PX = 480
"""Of the samples: a face of 6 % of it has 29 pixels, and the cascade is made for faces of 20 or more."""


class UnloadedDetector:
    """Tells the side of the samples. The daemon does not call it."""

    detail = ""
    side_px = SIDE_PX

    def detect(self, _: Sample) -> Sequence[Region]:
        """Raise RuntimeError: a call is a defect of the daemon."""
        raise RuntimeError("only worker processes call a detector: its library is not loaded here")
