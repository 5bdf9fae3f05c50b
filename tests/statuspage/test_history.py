"""The charts of the last quarter of an hour."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from imaged.core.charts import HitRatio, PerKind
from imaged.statuspage.history import INTERVAL_S, POINTS, History, hit_ratio

NONE = PerKind(**dict.fromkeys((each.name for each in fields(PerKind)), 0))


def totals(renders: int) -> PerKind[int]:
    """Return the totals of a daemon that has only rendered."""
    return replace(NONE, renders=renders)


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


def test_hits_have_a_share_of_all_outputs() -> None:
    """By requests and by bytes, since the start and in the charts; there is none before the first output."""
    history = History(NONE)
    assert hit_ratio(NONE, history.points) == HitRatio(None, None, None, None)
    before = replace(NONE, hits=1, made=9, hit_bytes=100, made_bytes=100)
    for total in (before, *[replace(before, hits=4, made=10, hit_bytes=800, made_bytes=200)] * POINTS):
        history.sample(total)
    assert hit_ratio(total, history.points) == HitRatio(round(4 / 14, 4), 0.8, 0.75, 0.875)
    history.sample(total)
    assert hit_ratio(total, history.points) == HitRatio(round(4 / 14, 4), 0.8, None, None)
