"""A detector of faces for smart crops, with the cascade of Haar features that OpenCV ships.

`detector` loads OpenCV, in the processes that render alone. OpenCV 5 ships no cascades: it needs OpenCV 4.
"""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import Detector, Host, hookimpl, how_to_install

from .unloaded import UnloadedDetector

if find_spec("cv2") is None:
    raise ImportError(f"OpenCV is missing: {how_to_install('faces', 'python3-opencv opencv-data')}")


class Options(BaseModel):
    """The section `plugins.opencv` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    minimum_size: float = Field(
        default=0.06,
        ge=0.03,
        le=1,
        description="The side of the smallest face that counts, as a share of the picture's longer side.",
    )


@hookimpl
def imaged_detector(host: Host) -> Detector | None:
    """Load OpenCV and its cascade, and return the detector."""
    options = host.options(Options)
    if not host.renders:
        return UnloadedDetector()
    from .detector import FaceDetector  # noqa: PLC0415 -- imports OpenCV

    return FaceDetector(options.minimum_size)
