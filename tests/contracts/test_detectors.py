"""The built-in detector and the fake one pass the contract suite."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from imaged.api import Detector
from imaged.testing.detectors import DetectorContract
from imaged.testing.fakes import CornerDetector, make_host


class TestCorner(DetectorContract):
    """The fake."""

    @pytest.fixture
    def detector(self) -> Detector:
        """Return a new one."""
        return CornerDetector()


class TestOpenCv(DetectorContract):
    """OpenCV's cascade of frontal faces."""

    @pytest.fixture
    def detector(self) -> Detector:
        """Return the detector that a worker would get."""
        if find_spec("cv2") is None:  # its import would change the environment of all tests
            pytest.skip("OpenCV is missing: install the extra faces")
        import imaged_opencv  # noqa: PLC0415 -- imports OpenCV

        detector = imaged_opencv.imaged_detector(make_host("opencv"))
        assert detector is not None
        return detector
