"""Finds faces with OpenCV's cascade `haarcascade_frontalface_alt2` (Viola and Jones, 2001; Lienhart, 2002)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imaged.api import Region, Sample, how_to_install

from .unloaded import SIDE_PX

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # else NumPy starts threads in the process that forks workers
_BEFORE = os.environ.get("LD_LIBRARY_PATH")
import cv2  # noqa: E402 -- its import changes what the line above has kept
import numpy as np  # noqa: E402 -- it follows OpenCV

if _BEFORE is None:  # OpenCV sets it, and then Wand, in another process, would start compilers to find ImageMagick
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = _BEFORE

CASCADE = "haarcascade_frontalface_alt2.xml"
DEBIAN_FOLDER = Path("/usr/share/opencv4/haarcascades")
SCALE_STEP, OVERLAPS = 1.1, 6
"""Each size of window is a tenth larger than the last; a face is where this many windows overlap."""


class FaceDetector:
    """Finds faces whose side is at least `minimum_size` of the longer side of the sample. Any thread, one at a time.

    Raises ImportError where no cascade is installed. It reads the cascade now: a worker reads no file later.
    """

    side_px = SIDE_PX

    def __init__(self, minimum_size: float) -> None:
        cv2.setNumThreads(1)
        self.detail = f"OpenCV {cv2.__version__}, {CASCADE}"
        self._minimum_size = minimum_size
        self._path = _find_cascade()
        self._cascade = cv2.CascadeClassifier(str(self._path))
        if self._cascade.empty():
            raise ImportError(f"{self._path} is no cascade that OpenCV {cv2.__version__} reads")

    def detect(self, sample: Sample) -> Sequence[Region]:
        """Return the faces."""
        width_px, height_px = sample.size.width_px, sample.size.height_px
        rgba = np.frombuffer(sample.rgba, np.uint8).reshape(height_px, width_px, 4)
        grey = cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY)
        side_px = max(1, round(self._minimum_size * max(width_px, height_px)))
        found = self._cascade.detectMultiScale(grey, SCALE_STEP, OVERLAPS, minSize=(side_px, side_px))
        return [Region(*(float(each) for each in face)) for face in found]


def _find_cascade() -> Path:
    for folder in (Path(cv2.__file__).parent / "data", DEBIAN_FOLDER):
        if (folder / CASCADE).is_file():
            return folder / CASCADE
    advice = how_to_install("faces", "opencv-data")
    raise ImportError(f"OpenCV {cv2.__version__} has no {CASCADE}: {advice}")
