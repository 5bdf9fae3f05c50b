"""What an operator is told to look at."""

from __future__ import annotations

from typing import Any

import pytest
from snapshots import make_snapshot

from imaged.core.alerts import ERROR, LOW_DISK_BYTES, WARNING, Alert, find_alerts

SINK = {"name": "lines", "recorded": 5, "failed": 0, "lost": 0, "fault": None}


def test_nothing_is_wrong() -> None:
    """A daemon that is well raises no alert, with a good reload and sinks that take everything."""
    reload = {"at": "2026-01-02T03:04:05.678+00:00", "ok": True, "errors": []}
    assert find_alerts(make_snapshot(metrics=[SINK], generation={"last_reload": reload})) == []


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"message": "draining"}, WARNING, "no more is taken"),
        ({"message": "no processor works"}, ERROR, "no processor works: the health check answers 503"),
        ({"remote": {"fault": "no such bucket"}}, ERROR, "no such bucket"),
        ({"uploads": {"parked": 1}}, ERROR, "1 job was given up"),
        ({"uploads": {"parked": 2000}, "promised": {"parked": 1}}, ERROR, "2,001 jobs were given up"),
        ({"generation": {"last_reload": {"at": "", "ok": False, "errors": ["a"]}}}, ERROR, "stay as they were"),
        ({"store": {"free_bytes": LOW_DISK_BYTES - 1}}, WARNING, "999 MB are free"),
        ({"metrics": [SINK | {"failed": 3, "fault": "OSError: full"}]}, WARNING, "3 failures, 0 events lost: OSError"),
        ({"metrics": [SINK | {"lost": 3}]}, WARNING, "lines: 0 failures, 3 events lost"),
    ],
)
def test_alerts(changes: dict[str, Any], level: str, text: str) -> None:
    """Each trouble has its own, which says how grave it is and what it is about."""
    [alert] = find_alerts(make_snapshot(**changes))
    assert alert.level == level
    assert text in alert.text


def test_the_gravest_come_first() -> None:
    """Whatever else there is."""
    alerts = find_alerts(make_snapshot(message="draining", remote={"fault": "away"}))
    assert [alert.level for alert in alerts] == [ERROR, WARNING]
    assert isinstance(alerts[0], Alert)
