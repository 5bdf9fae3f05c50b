"""The problems that operators see on top of the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from snapshots import SINK, make_reload, make_snapshot

from imaged.core.pending_jobs import Jobs
from imaged.core.snapshot import Level, RenderInFlight
from imaged.core.stall_status import Stall
from imaged.statuspage.alerts import LOW_DISK_BYTES, LOW_STATE_BYTES, MANY_DEATHS, RECENT_S, find_alerts

RENDERS = (RenderInFlight("p", "0f", "x3.webp", 41.2),) * 4
STALL = Stall(by="PIL in decode", held_s=1.5, ago_s=RECENT_S - 1)


def test_a_healthy_daemon_has_no_alert() -> None:
    """A good reload, a few dead workers, a sink that recovered, and a stall some time ago are no problems."""
    recovered = replace(SINK, failed=3, lost=4, flushes_failed=9, scrapes_failed=1, last_missed_s=RECENT_S)
    stalls = {"last": replace(STALL, ago_s=RECENT_S)}
    snapshot = make_snapshot(
        metrics=(SINK, recovered),
        generation={"last_reload": make_reload()},
        stalls=stalls,
        processing={"recent_deaths": MANY_DEATHS - 1},
    )
    assert find_alerts(snapshot) == []


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"message": "draining"}, "warning", "new ones are refused"),
        ({"message": "draining", "processing": {"items": RENDERS}}, "warning", "waits for x3.webp of p/0f (41 s), x3"),
        ({"message": "draining", "processing": {"items": RENDERS}}, "warning", "(41 s) and 1 more."),
        ({"message": "draining", "processing": {"items": RENDERS[:3]}}, "warning", "x3.webp of p/0f (41 s)."),
        ({"stalls": {"last": STALL}}, "warning", "answered for 1.5 s, until 299 s ago: PIL in decode."),
        ({"message": "no processor works"}, "error", "no processor works: the health check answers 503"),
        ({"processing": {"workers_fault": "no memory"}}, "error", "cannot be started: no memory."),
        ({"processing": {"recent_deaths": MANY_DEATHS}}, "warning", "10 worker processes have died in the last 5 min"),
        ({"remote": {"fault": "no such bucket"}}, "error", "posts are answered 503: no such bucket"),
        ({"queue": {"fault": "disk I/O error"}}, "error", "disk I/O error"),
        ({"queue": {"free_bytes": LOW_STATE_BYTES - 1}}, "error", "255 MiB are free for the job queue"),
        ({"log": {"lost": 1234, "fault": "/var/log/a: No space"}}, "warning", "1,234 so far: /var/log/a: No space"),
        ({"uploads": {"jobs": {"failed": 1}}}, "warning", "1 job has failed for good"),
        (
            {"uploads": {"jobs": {"failed": 2000}}, "pending_renders": {"jobs": {"failed": 1}}},
            "warning",
            "2,001 jobs have failed",
        ),
        ({"generation": {"last_reload": make_reload("a")}}, "warning", "stay in effect"),
        ({"store": {"free_bytes": LOW_DISK_BYTES - 1}}, "error", "2047 MiB are free"),
        ({"store": {"fault": "x1.jpg cannot be kept"}}, "warning", "served and not stored"),
        (
            {"store": {"fault": "No space", "is_full": True, "free_bytes": 0}},
            "error",
            "Posts are answered 507, and outputs are served, not stored: No space",
        ),
        ({"store": {"bound_fault": "nothing to forget"}}, "warning", "perhaps not stored: nothing to forget"),
        ({"store": {"fault": "I/O", "is_read_only": True}}, "error", "Posts are answered 503, and outputs are served"),
        ({"queue": {"fault": "No space", "is_full": True, "free_bytes": 0}}, "error", "answered 507, and queued jobs"),
        ({"store": {"free_bytes": None}}, "error", "The file system of the store cannot be read"),
        ({"metrics": (replace(SINK, fault="OSError: a"),)}, "warning", "lines: OSError: a; 0 events"),
        (
            {"metrics": (replace(SINK, failed=2, lost=3, last_missed_s=RECENT_S - 1),)},
            "warning",
            "lines: works again; 5 events missed",
        ),
    ],
)
def test_alerts(changes: dict[str, Any], level: Level, text: str) -> None:
    """Each problem has one alert with its level and its details."""
    [alert] = find_alerts(make_snapshot(**changes))
    assert alert.level == level
    assert text in alert.text


def test_an_unreadable_queue_is_one_problem() -> None:
    """Unknown figures raise no alerts of their own."""
    unknown = Jobs(None, None, None)
    snapshot = make_snapshot(
        uploads={"jobs": unknown},
        pending_renders={"current": None, "jobs": unknown},
        queue={"fault": "gone", "free_bytes": None},
    )
    [alert] = find_alerts(snapshot)
    assert alert.title == "Job queue"


def test_errors_come_first() -> None:
    """Warnings follow."""
    alerts = find_alerts(make_snapshot(message="draining", remote={"fault": "away"}))
    assert [alert.level for alert in alerts] == ["error", "warning"]
