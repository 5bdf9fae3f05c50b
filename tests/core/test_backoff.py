"""Delays grow within their bounds, and end after the last attempt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imaged.core.backoff import Backoff

jitters = st.floats(0, 1, exclude_max=True)
backoffs = st.builds(
    Backoff,
    first_s=st.floats(0.001, 60),
    longest_s=st.floats(60, 86_400),
    attempts=st.integers(1, 10_000),
)


@given(backoffs, st.data(), jitters)
def test_a_delay_lies_between_half_its_bound_and_the_bound(
    backoff: Backoff, data: st.DataObject, jitter: float
) -> None:
    """The bound doubles with each attempt up to the longest, and no retry is immediate."""
    attempt = data.draw(st.integers(1, backoff.attempts))
    delay_s = backoff.delay_s(attempt, jitter)
    if attempt == backoff.attempts:
        assert delay_s is None
        return
    bound_s = min(backoff.longest_s, backoff.first_s * 2 ** min(attempt - 1, 62))
    assert delay_s is not None
    assert 0 < bound_s / 2 <= delay_s <= bound_s <= backoff.longest_s


@given(backoffs, st.integers(0, 10**9), jitters)
def test_attempts_come_to_an_end(backoff: Backoff, more: int, jitter: float) -> None:
    """After the last attempt there is no delay."""
    assert backoff.delay_s(backoff.attempts + more, jitter) is None


def test_known_delays() -> None:
    """Without jitter, delays are half of 1, 2, 4, 8, then half of the longest."""
    backoff = Backoff(first_s=1, longest_s=5, attempts=6)
    assert [backoff.delay_s(attempt, 0.0) for attempt in range(1, 7)] == [0.5, 1.0, 2.0, 2.5, 2.5, None]
