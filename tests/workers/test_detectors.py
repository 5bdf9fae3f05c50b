"""Detectors tell the focal point of an original, where they find something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from imaged.core.details import ImageDetails
from imaged.core.errors import NotAPictureError
from imaged.core.geometry import Size
from imaged.core.gravities import FocalPoint
from imaged.core.samples import Sample
from imaged.hooks.checked_detector import CheckedDetector
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.contracts import RenderJob
from imaged.testing.fakes import CornerDetector, SamplingStills
from imaged.testing.pictures import make_plain
from imaged.workers.analysis import SAMPLE_SIDE_PX
from imaged.workers.processors import Processors


class Sampler(SamplingStills):
    """Gives samples whose sides are below `refused_px`."""

    refused_px = 1000

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return a sample of one colour."""
        if side_px >= self.refused_px:
            raise NotAPictureError("too large")
        return super().sample(job, side_px)


def describe(source: Path, detector: CornerDetector | None, sampler: Sampler) -> ImageDetails:
    """Return the details of a square picture."""
    source.write_bytes(make_plain("png", 100, 100))
    processors = Processors((CheckedProcessor("still", sampler),), 10**6)
    detectors = (CheckedDetector("corner", detector, detector.side_px),) if detector else ()
    details = replace(processors, detectors=detectors).describe(source, 30)
    assert details is not None
    return details


def test_the_focal_point_is_where_a_detector_finds_something(tmp_path: Path) -> None:
    """The detector gets a sample of its own side."""
    detector = CornerDetector()
    assert describe(tmp_path / "original", detector, Sampler()).focal_point == FocalPoint(25, 25)
    assert [each.size for each in detector.samples] == [Size(64, 64)]


def test_a_detector_that_fails_is_ignored(tmp_path: Path) -> None:
    """The picture has all its details, with the point that edges and colours tell."""
    detector = CornerDetector()
    detector.failure = ValueError("no model")
    with capturedLogs() as logged:
        details = describe(tmp_path / "original", detector, Sampler())
    assert details == describe(tmp_path / "original", None, Sampler())
    assert [event["called"] for event in logged] == ["detector corner: detect"]


def test_a_sample_that_fails_is_ignored(tmp_path: Path) -> None:
    """Where the larger sample cannot be had, the smaller one tells the point."""
    detector, sampler = CornerDetector(), Sampler()
    sampler.refused_px = SAMPLE_SIDE_PX + 1
    details = describe(tmp_path / "original", detector, sampler)
    assert details == describe(tmp_path / "original", None, sampler)
    assert not detector.samples


@pytest.mark.parametrize("count", [1, 2])
def test_detectors_of_one_side_share_a_sample(tmp_path: Path, count: int) -> None:
    """One decode serves them."""
    (tmp_path / "original").write_bytes(make_plain("png", 100, 100))
    detectors = [CornerDetector() for _ in range(count)]
    checked = tuple(CheckedDetector(f"corner{at}", each, each.side_px) for at, each in enumerate(detectors))
    Processors((CheckedProcessor("still", Sampler()),), 10**6, detectors=checked).describe(tmp_path / "original", 30)
    assert len({id(each.samples[0]) for each in detectors}) == 1
