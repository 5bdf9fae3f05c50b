"""Requests are counted by how they ended."""

from __future__ import annotations

import pytest

from imaged.core.traffic import Traffic


def ended(status: int, outcome: str | None = None) -> Traffic:
    """Return the counts of one request."""
    traffic = Traffic()
    traffic.begin()
    assert traffic.current == 1
    traffic.end(status, outcome, 10)
    return traffic


@pytest.mark.parametrize(
    ("status", "outcome", "counted"),
    [
        (200, "hit", "hits"),
        (304, "hit", "hits"),
        (200, "rendered", "rendered"),
        (206, "coalesced", "coalesced"),
        (404, None, "refused"),
        (412, "hit", "refused"),
        (499, "rendered", "left"),
        (500, None, "failed"),
        (503, "rendered", "failed"),
        (200, None, None),
    ],
)
def test_each_request_counts_once(status: int, outcome: str | None, counted: str | None) -> None:
    """It counts by how it ended, and in the totals."""
    traffic = ended(status, outcome)
    names = ("hits", "rendered", "coalesced", "refused", "left", "failed")
    assert [name for name in names if getattr(traffic, name)] == ([counted] if counted else [])
    assert (traffic.current, traffic.total, traffic.bytes) == (0, 1, 10)


@pytest.mark.parametrize(
    ("status", "outcome", "hit_bytes", "made_bytes"),
    [(200, "hit", 10, 0), (206, "rendered", 0, 10), (200, "coalesced", 0, 10), (200, None, 0, 0), (499, "hit", 0, 0)],
)
def test_bytes_of_outputs_count_by_where_they_came_from(
    status: int, outcome: str | None, hit_bytes: int, made_bytes: int
) -> None:
    """Those of the store and those that were made count apart; others, and those cut short, in neither."""
    traffic = ended(status, outcome)
    assert (traffic.hit_bytes, traffic.made_bytes) == (hit_bytes, made_bytes)
