"""The contract of detectors as a test suite.

Subclass `DetectorContract`, with a fixture for your detector:

    class TestMine(DetectorContract):
        @pytest.fixture
        def detector(self) -> Detector:
            return MyDetector()

It needs pytest and no imaging library.
"""

# ruff: noqa: S101 -- a suite is made of assertions

from __future__ import annotations

import pytest

from imaged.api import Detector, Sample, Size
from imaged.hooks.checked_detector import CheckedDetector
from imaged.hooks.contract_check import read_metadata

SHAPES = ((1.0, 1.0), (1.0, 0.5), (0.3, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
"""The sides of samples, as shares of the detector's; at least one pixel."""


def plain_sample(size: Size, rgba: bytes = b"\x80\x80\x80\xff") -> Sample:
    """Return a sample of one colour."""
    return Sample(size, rgba * size.pixels, transparency=rgba[3:] != b"\xff")


class DetectorContract:
    """Tests that each detector passes."""

    @pytest.fixture
    def detector(self) -> Detector:
        """Return the detector under test."""
        raise NotImplementedError("override the fixture `detector`")

    @pytest.fixture
    def checked(self, detector: Detector) -> CheckedDetector:
        """Return the detector behind the checks of the daemon."""
        metadata = read_metadata("detector", detector)
        return CheckedDetector("tested", detector, metadata.side_px, metadata.detail)

    def test_it_says_what_it_is(self, detector: Detector) -> None:
        """It has a detail for the status page, and an acceptable side."""
        assert read_metadata("detector", detector).detail

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("rgba", [b"\x00\x00\x00\xff", b"\xff\xff\xff\xff", b"\x80\x40\x20\x00"])
    def test_it_takes_any_sample(self, checked: CheckedDetector, shape: tuple[float, float], rgba: bytes) -> None:
        """Samples of each shape, down to one pixel, have regions within them, and cause no error."""
        width_px, height_px = (max(1, round(share * checked.side_px)) for share in shape)
        checked.detect(plain_sample(Size(width_px, height_px), rgba))

    def test_it_finds_the_same_again(self, checked: CheckedDetector) -> None:
        """It keeps nothing between two pictures."""
        size = Size(checked.side_px, checked.side_px)
        stripes = Sample(size, bytes(range(256)) * (size.pixels // 64), transparency=True)
        first = checked.detect(stripes)
        checked.detect(plain_sample(Size(1, 1)))
        assert checked.detect(stripes) == first
