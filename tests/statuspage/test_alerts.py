"""What an operator is told to look at."""

from __future__ import annotations

from typing import Any

import pytest
from snapshots import make_snapshot

from imaged.statuspage.alerts import ERROR, LOW_DISK_BYTES, LOW_STATE_BYTES, RECENT_S, WARNING, Alert, find_alerts

SINK = {
    "name": "lines",
    "recorded": 5,
    "failed": 0,
    "lost": 0,
    "flushes_failed": 0,
    "scrapes_failed": 0,
    "last_missed_s": None,
    "fault": None,
}

RENDER = {"namespace": "p", "hash": "0f", "output": "x3.webp", "elapsed_s": 41.2}


def test_nothing_is_wrong() -> None:
    """A daemon that is well raises no alert, with a good reload and sinks that work, also again."""
    reload = {"at": "2026-01-02T03:04:05.678+00:00", "ok": True, "errors": []}
    recovered = SINK | {"failed": 3, "lost": 4, "flushes_failed": 9, "scrapes_failed": 1, "last_missed_s": RECENT_S}
    assert find_alerts(make_snapshot(metrics=[SINK, recovered], generation={"last_reload": reload})) == []


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"message": "draining"}, WARNING, "no more is taken"),
        (
            {"message": "draining", "processing": {"items": [RENDER] * 4}},
            WARNING,
            "waits for x3.webp of p/0f (41 s), x3",
        ),
        ({"message": "draining", "processing": {"items": [RENDER] * 4}}, WARNING, "(41 s) and 1 more."),
        ({"message": "no processor works"}, ERROR, "no processor works: the health check answers 503"),
        ({"remote": {"fault": "no such bucket"}}, ERROR, "posts are answered 503: no such bucket"),
        ({"queue": {"fault": "disk I/O error"}}, ERROR, "disk I/O error"),
        ({"queue": {"free_bytes": LOW_STATE_BYTES - 1}}, ERROR, "255 MiB are free for the job queue"),
        ({"log": {"lost": 1234, "fault": "/var/log/a: No space left"}}, WARNING, "1,234 by now: /var/log/a: No space"),
        ({"uploads": {"parked": 1}}, WARNING, "1 job was given up"),
        ({"uploads": {"parked": 2000}, "promised": {"parked": 1}}, WARNING, "2,001 jobs were given up"),
        ({"generation": {"last_reload": {"at": "", "ok": False, "errors": ["a"]}}}, WARNING, "stay as they were"),
        ({"store": {"free_bytes": LOW_DISK_BYTES - 1}}, ERROR, "2047 MiB are free"),
        ({"metrics": [SINK | {"flushes_failed": 9, "fault": "OSError: a"}]}, WARNING, "lines: OSError: a; 0 events"),
        (
            {"metrics": [SINK | {"failed": 2, "lost": 3, "last_missed_s": RECENT_S - 1}]},
            WARNING,
            "lines: works again; 5 events missed",
        ),
    ],
)
def test_alerts(changes: dict[str, Any], level: str, text: str) -> None:
    """Each trouble has its own, which says how grave it is and what it is about."""
    [alert] = find_alerts(make_snapshot(**changes))
    assert alert.level == level
    assert text in alert.text


def test_a_queue_that_cannot_be_read_is_one_trouble() -> None:
    """What it would hold, and what is free in a folder that is gone, are not known."""
    unknown = {"queued": None, "parked": None, "oldest_s": None}
    queue = {"fault": "gone", "free_bytes": None}
    [alert] = find_alerts(make_snapshot(uploads=unknown, promised=unknown | {"current": None}, queue=queue))
    assert alert.title == "Job queue"


def test_the_gravest_come_first() -> None:
    """Whatever else there is."""
    alerts = find_alerts(make_snapshot(message="draining", remote={"fault": "away"}))
    assert [alert.level for alert in alerts] == [ERROR, WARNING]
    assert isinstance(alerts[0], Alert)
