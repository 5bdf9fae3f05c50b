"""CheckedDetector checks what a detector returns and raises, so that a picture is never lost by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from twisted.logger import capturedLogs

from imaged.api import NotAPictureError, Region, Size
from imaged.core.errors import PluginFailedError
from imaged.hooks.checked_detector import MOST_REGIONS, CheckedDetector
from imaged.testing.detectors import plain_sample
from imaged.testing.fakes import CornerDetector

SAMPLE = plain_sample(Size(40, 20))
GOOD = Region(0, 0, 40, 20)
WRONG: list[Any] = [
    None, {GOOD}, [None], [(0, 0, 1, 1)], [GOOD] * (MOST_REGIONS + 1),
    [Region(-1, 0, 10, 10)], [Region(0, 0, 41, 20)], [Region(0, 11, 10, 10)], [Region(0, 0, 0, 1)],
    [Region(0, 0, 1, -1)],
    [Region(0, 0, 1, 1, weight=0)], [Region(0, 0, 1, 1, weight=math.inf)], [Region(0, math.nan, 1, 1)],
    [Region("0", 0, 1, 1)],  # type: ignore[arg-type]  # plugins may be untyped
]  # fmt: skip


class Finding:
    """Returns what it was made with."""

    detail, side_px = "finding", 40

    def __init__(self, found: Any) -> None:
        self.found = found

    def detect(self, _: object) -> Any:
        """Return that."""
        return self.found


@pytest.mark.parametrize("found", [[], [GOOD], (GOOD, Region(0.5, 0.5, 1.25, 1))])
def test_regions_within_the_sample_pass(found: Any) -> None:
    """A list and a tuple are fine, and an empty one, too."""
    assert CheckedDetector("odd", Finding(found), 40).detect(SAMPLE) == tuple(found)


@pytest.mark.parametrize("found", WRONG, ids=range(len(WRONG)))
def test_wrong_regions_are_refused(found: Any) -> None:
    """The log names the plugin."""
    with capturedLogs() as logged, pytest.raises(PluginFailedError, match="detector odd: detect failed"):
        CheckedDetector("odd", Finding(found), 40).detect(SAMPLE)
    assert len(logged) == 1


@pytest.mark.parametrize("error", [ValueError("x"), NotAPictureError("x"), MemoryError(), SystemExit(1)])
def test_no_error_is_allowed(error: Any) -> None:
    """The contract allows none, so that each is logged as the plugin's."""
    detector = CornerDetector()
    detector.failure = error
    with capturedLogs() as logged, pytest.raises(PluginFailedError, match="detector odd: detect"):
        CheckedDetector("odd", detector, 64).detect(SAMPLE)
    assert len(logged) == 1
