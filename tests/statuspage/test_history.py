"""The charts of the last quarter of an hour."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from imaged.statuspage.history import INTERVAL_S, POINTS, History


@given(st.lists(st.integers(0, 1000), max_size=2 * POINTS))
def test_each_point_is_what_was_done_meanwhile(done: list[int]) -> None:
    """The oldest first, and no more of them than a chart has."""
    history = History({"renders": 7})
    for total in list(accumulate(done, initial=7))[1:]:
        history.sample({"renders": total})
    assert history.points == {"renders": done[-POINTS:]}


def test_a_rate_is_that_of_the_last_minute() -> None:
    """Or of as much as there is."""
    history = History({"requests": 0})
    assert history.rates_per_s == {"requests": 0.0}
    history.sample({"requests": 50})
    assert history.rates_per_s == {"requests": 50 / INTERVAL_S}
    for number in range(1, 7):
        history.sample({"requests": 50 + 10 * number})
    assert history.rates_per_s == {"requests": 10 / INTERVAL_S}
