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
