"""The JSON of a snapshot."""

from __future__ import annotations

import json

from snapshots import QUIET, make_busy, make_reload

from imaged.core.pending_jobs import Jobs, PendingRenders, Uploads
from imaged.core.snapshot import Comparison
from imaged.statuspage.status_json import to_json


def test_published_names_stay() -> None:
    """Fields of older versions keep the names and the places that programs know."""
    quiet = to_json(QUIET)
    assert list(quiet) == [
        *("version", "message", "pid", "uptime_s", "generation", "requests", "limits", "processing"),
        *("downloads", "posting"),
        *(
            "uploads",
            "remote",
            "origins",
            "promised",
            "erasures",
            "queue",
            "hit_ratio",
            "rates_per_s",
            "history",
            "errors",
            "metrics",
            "log",
            "stalls",
        ),
        *("plugins", "store", "try_page", "alerts"),
    ]
    names = ["current", "total", "hits", "rendered", "joined", "refused", "failed", "left", "bytes"]
    names += ["hit_bytes", "made_bytes"]
    assert list(quiet["requests"]) == names
    jobs = Jobs(queued=1, failed=2, oldest_s=3.5)
    assert list(to_json(Uploads(0, jobs, 8, 9)).items()) == [
        *(("current", 0), ("queued", 1), ("parked", 2), ("oldest_s", 3.5), ("total", 8), ("failed", 9)),
    ]
    assert to_json(PendingRenders(None, jobs)) == {"current": None, "queued": 1, "parked": 2, "oldest_s": 3.5}
    charts = ["requests", "hits", "renders", "downloads", "uploads", "refused", "failed", "bytes"]
    charts += ["made", "hit_bytes", "made_bytes"]
    assert list(quiet["history"]) == ["interval_s", *charts]
    assert list(quiet["rates_per_s"]) == charts


def test_moments_have_milliseconds_and_a_zone() -> None:
    """As ISO 8601 has them; unknown ones are null."""
    assert to_json(make_reload("a")) == {"at": "2026-01-02T04:00:00.000+00:00", "ok": False, "errors": ["a"]}
    waiting = Comparison("waiting", unfinished=True, since=None, images=0, missing=0)
    assert to_json(waiting) == {"state": "waiting", "unfinished": True, "since": None, "images": 0, "missing": 0}


def test_a_snapshot_is_json() -> None:
    """Everything in it is of a kind that JSON has."""
    assert json.loads(json.dumps(to_json(make_busy()))) == to_json(make_busy())
