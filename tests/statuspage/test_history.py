"""The charts of the last quarter of an hour."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from imaged.core.snapshot import PerKind
from imaged.statuspage.history import INTERVAL_S, POINTS, History


def totals(renders: int) -> PerKind[int]:
    """Return the totals of a daemon that has only rendered."""
    return PerKind(requests=0, hits=0, renders=renders, downloads=0, uploads=0, refused=0, failed=0, bytes=0)


@given(st.lists(st.integers(0, 1000), max_size=2 * POINTS))
def test_each_point_is_the_growth_in_one_interval(growth: list[int]) -> None:
    """The oldest comes first, and a chart has no more than POINTS."""
    history = History(totals(7))
    for total in list(accumulate(growth, initial=7))[1:]:
        history.sample(totals(total))
    assert history.points.renders == growth[-POINTS:]
    assert history.points.hits == [0] * len(growth[-POINTS:])


def test_a_rate_is_that_of_the_last_minute() -> None:
    """Or of the time since the start."""
    history = History(totals(0))
    assert history.rates_per_s.renders == 0.0
    history.sample(totals(50))
    assert history.rates_per_s.renders == 50 / INTERVAL_S
    for number in range(1, 7):
        history.sample(totals(50 + 10 * number))
    assert history.rates_per_s.renders == 10 / INTERVAL_S
