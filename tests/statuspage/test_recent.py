"""The recent errors of the status page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from imaged.core.snapshot import RecentError
from imaged.statuspage.recent import KEPT, RecentErrors

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def error(second: int, status: int) -> RecentError:
    """Return an error at a second and with a status."""
    return RecentError(NOON + timedelta(seconds=second), "GET /p", "a", status, f"number {second}")


def test_the_newest_come_first() -> None:
    """Failures and refusals are in one list."""
    errors = RecentErrors()
    for second, status in enumerate((404, 502, 415)):
        errors.add(error(second, status))
    assert [each.status for each in errors.newest_first] == [415, 502, 404]


def test_refusals_push_out_no_failure() -> None:
    """A thousand requests for missing files hide no failure."""
    errors = RecentErrors()
    errors.add(error(0, 500))
    for second in range(1, 1000):
        errors.add(error(second, 404))
    kept = errors.newest_first
    assert len(kept) == KEPT + 1
    assert kept[-1].status == 500
    assert kept[0].error == "number 999"
