"""The focal point of a picture in which detectors have found something is in the middle of that."""

from __future__ import annotations

from imaged.core.geometry import Size
from imaged.core.gravities import FocalPoint
from imaged.core.perception.regions import Region, find_middle

SAMPLE = Size(200, 100)


def test_one_region_has_its_centre() -> None:
    """The point is in per cent of the sample."""
    assert find_middle([(SAMPLE, Region(20, 40, 40, 20))]) == FocalPoint(20, 50)


def test_regions_weigh_by_area_and_weight() -> None:
    """A face that is twice as large counts as much as one that has twice the weight."""
    left, right = Region(0, 0, 20, 20), Region(180, 80, 20, 20)
    assert find_middle([(SAMPLE, left), (SAMPLE, right)]) == FocalPoint(50, 50)
    heavy = Region(0, 0, 20, 20, weight=3)
    assert find_middle([(SAMPLE, heavy), (SAMPLE, right)]) == FocalPoint(28, 30)
    large = Region(0, 0, 60, 20)
    assert find_middle([(SAMPLE, large), (SAMPLE, Region(180, 0, 20, 20))]) == FocalPoint(35, 10)


def test_samples_of_several_detectors_count_alike() -> None:
    """A region counts by its share of the sample, however large that is."""
    small = (Size(20, 10), Region(0, 0, 2, 2))
    assert find_middle([small, (SAMPLE, Region(180, 80, 20, 20))]) == FocalPoint(50, 50)


def test_nothing_found_is_no_point() -> None:
    """The caller then looks at edges and colours."""
    assert find_middle([]) is None
