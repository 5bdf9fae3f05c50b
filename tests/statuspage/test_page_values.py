"""How figures are written for people."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.statuspage.page_values import CHART_HEIGHT, CHART_POINTS, KINDS, MOST_ROWS, SILENT, write, write_exactly


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", True, "yes"),
        ("text", 12, "12"),
        ("count", 1_234_567, "1,234,567"),
        ("bytes", 0, "0 B"),
        ("bytes", 999, "999 B"),
        ("bytes", 1000, "1.0 kB"),
        ("bytes", 99_949, "99.9 kB"),
        ("bytes", 99_950, "100 kB"),
        ("bytes", 999_499, "999 kB"),
        ("bytes", 999_500, "1.0 MB"),
        ("bytes", 1_234_567, "1.2 MB"),
        ("bytes", 80 * 10**12, "80.0 TB"),
        ("bytes", 10**19, "10000 PB"),
        ("duration", 0, "0 ms"),
        ("duration", 0.0206, "21 ms"),
        ("duration", 0.9996, "1.0 s"),
        ("duration", 9.96, "10 s"),
        ("duration", 59.6, "1 min 0 s"),
        ("duration", 200, "3 min 20 s"),
        ("duration", 7500, "2 h 5 min"),
        ("duration", 93_784, "1 d 2 h"),
        ("rate", 0.0, "0/s"),
        ("rate", 0.001, "0.01/s"),
        ("rate", 0.42, "0.42/s"),
        ("rate", 4.2, "4.2/s"),
        ("rate", 12_345.6, "12,346/s"),
        ("byterate", 1500.0, "1.5 kB/s"),
        ("time", "2026-01-02T03:04:05.678+00:00", "2026-01-02 03:04:05 UTC"),
        ("time", "2026-01-02T03:04:05.678+02:00", "2026-01-02 03:04:05"),
        ("blame", 404, "refused"),
        ("blame", 503, "failed"),
        ("joined", ["a", 1], "a, 1"),
        ("more", [1] * (MOST_ROWS + 2), "and 2 more"),
        ("more", [1] * MOST_ROWS, ""),
        ("share", (1, 4), "25"),
        ("share", (5, 4), "100"),
        ("share", (0, 0), "0"),
        ("share", (None, None), "0"),
        ("peak", [], "0"),
        ("bytepeak", [5, 2000], "2.0 kB"),
    ],
)
def test_values(kind: str, value: Any, text: str) -> None:
    """Short, with units, and never four digits where three say it."""
    assert write(kind, value) == text


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_not_there(kind: str) -> None:
    """It is a dash, whatever it would have been, and has no exact form; of some kinds there is nothing to say."""
    assert (write(kind, None), write_exactly(kind, None)) == ("" if kind in SILENT else "–", "")


def test_exact_values() -> None:
    """What was shortened can be had in full; what was not, says nothing more."""
    assert write_exactly("bytes", 1_234_567) == "1,234,567 bytes"
    assert write_exactly("duration", 61.2345) == "61.235 s"
    assert write_exactly("time", "2026-01-02T03:04:05.678+00:00") == "2026-01-02T03:04:05.678+00:00"
    assert write_exactly("count", 5) == ""


@given(st.lists(st.integers(0, 10**12), max_size=2 * CHART_POINTS))
def test_charts_stay_in_their_frame(points: list[int]) -> None:
    """A bar for each point that is not 0, the newest at the right edge, the highest as high as the frame."""
    bars = [bar.split() for bar in write("bars", points).split("M") if bar]
    shown = points[-CHART_POINTS:]
    assert len(bars) == sum(map(bool, shown))
    heights = [int(rest.split("v-")[1].split("h")[0]) for _, rest in bars]
    assert all(0 < height <= CHART_HEIGHT for height in heights)
    assert max(heights, default=CHART_HEIGHT) == CHART_HEIGHT
    if shown and shown[-1]:
        assert int(bars[-1][0]) == CHART_POINTS - 1
