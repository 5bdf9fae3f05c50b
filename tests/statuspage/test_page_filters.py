"""How the pages write figures for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from imaged.core.snapshot import Isolation
from imaged.statuspage.page_filters import CHART_HEIGHT, CHART_POINTS, FILTERS, MOST_ROWS, bars, share

NOON = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


def text(written: Any) -> str:
    """Return the text that a reader sees."""
    return Markup(written).striptags()


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
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
        ("byte_rate", 1500.0, "1.5 kB/s"),
        ("time", NOON, "2026-01-02 03:04:05 UTC"),
        ("time", NOON.astimezone(timezone(timedelta(hours=2))), "2026-01-02 05:04:05"),
        ("more", [1] * (MOST_ROWS + 2), "and 2 more"),
        ("more", [1] * MOST_ROWS, ""),
        ("confinement", Isolation("process", 7, seccomp=True, missing=()), "limits, Landlock 7, seccomp"),
        ("confinement", Isolation("process", 0, seccomp=False, missing=("A", "B")), "limits; not in effect: A; B"),
        ("confinement", Isolation("process", None, None, ()), "not known before the first job"),
        ("ratio", None, "–"),
        ("ratio", 0.0, "0.0 %"),
        ("ratio", 0.9346, "93.5 %"),
        ("ratio", 0.9999, "99.9 %"),
        ("ratio", 1.0, "100.0 %"),
        ("peak", [], "0"),
        ("peak", [5, 2000], "2000"),
    ],
)
def test_values(kind: str, value: Any, shown: str) -> None:
    """They are short, with units, and never have four digits where three will do."""
    assert text(FILTERS[kind](value)) == shown


@pytest.mark.parametrize("kind", ["count", "bytes", "duration", "time"])
def test_an_unknown_value_is_a_dash(kind: str) -> None:
    """None is unknown, and not zero."""
    assert FILTERS[kind](None) == "–"


@pytest.mark.parametrize(
    ("kind", "value", "exact"),
    [
        ("bytes", 1_234_567, "1,234,567 bytes"),
        ("byte_rate", 1_234_567, "1,234,567 bytes/s"),
        ("duration", 61.2345, "61.235 s"),
        ("time", NOON, "2026-01-02T03:04:05.678+00:00"),
    ],
)
def test_the_exact_value_is_the_title(kind: str, value: Any, exact: str) -> None:
    """A reader who points at a shortened value sees it in full."""
    assert FILTERS[kind](value).startswith(f'<span title="{exact}">')


@pytest.mark.parametrize(("part", "whole", "shown"), [(1, 4, "25"), (5, 4, "100"), (0, 0, "0")])
def test_shares(part: int, whole: int, shown: str) -> None:
    """A share is at most a hundred per cent, and nothing of nothing is none."""
    assert share(part, whole) == shown


@given(st.lists(st.integers(0, 10**12), max_size=2 * CHART_POINTS))
def test_charts_stay_in_their_frame(points: list[int]) -> None:
    """Each point that is not 0 has a bar; the newest is at the right edge, and the highest fills the frame."""
    drawn = [bar.split() for bar in bars(points).split("M") if bar]
    shown = points[-CHART_POINTS:]
    assert len(drawn) == sum(map(bool, shown))
    heights = [int(rest.split("v-")[1].split("h")[0]) for _, rest in drawn]
    assert all(0 < height <= CHART_HEIGHT for height in heights)
    assert max(heights, default=CHART_HEIGHT) == CHART_HEIGHT
    if shown and shown[-1]:
        assert int(drawn[-1][0]) == CHART_POINTS - 1
