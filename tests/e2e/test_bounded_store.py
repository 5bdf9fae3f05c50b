"""A store with a bound stays below it under load, and over a kill, and keeps what clients want."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from bounded_store import SETTINGS, disk_usage, make_noise, run
from daemon import Daemon, until

BOUND_BYTES = 6_000_000
PICTURES = 50


def test_a_store_stays_below_its_bound_under_load(make_daemon: Callable[..., Daemon]) -> None:
    """It never takes more than its bound, and every answer is right, also after a kill in between.

    It has about the hits of a true LRU with the same room.
    """
    daemon = make_daemon(SETTINGS.format(bound_bytes=BOUND_BYTES))
    report = run(daemon, BOUND_BYTES, pictures=PICTURES, seconds=24.0, clients=2, kills=1, pause_s=0.02)
    sys.stdout.write(f"{report}\n")
    assert report.wrong == []
    assert report.others_bytes < report.most_bytes <= BOUND_BYTES
    assert report.requests > 0, "the store was never full"
    assert report.hits > 0.85 * report.lru_hits


def test_a_bound_that_is_set_later_is_reached(make_daemon: Callable[..., Daemon]) -> None:
    """A reload is enough. The oldest outputs go, without the picture's original."""
    daemon = make_daemon(SETTINGS.format(bound_bytes=0))
    image = daemon.post("/p", make_noise()).json()
    folder = daemon.store / "p" / image["partitionedHash"]
    names = [f"w{width}.png" for width in range(200, 300, 10)]
    for name in names:
        assert daemon.get(f"/p/{image['partitionedHash']}/{name}").status == 200
    daemon.wait_for_files(image, names)
    for age, name in enumerate(names):
        used_s = time.time() - 1000 - 100 * age
        os.utime(folder / name, (used_s, used_s))
    bound_bytes = disk_usage(daemon.store) - 200_000
    daemon.configure(SETTINGS.format(bound_bytes=bound_bytes))
    assert daemon.hup()["ok"]
    until(lambda: disk_usage(daemon.store) < bound_bytes, daemon)
    left = [name for name in names if (folder / name).exists()]
    assert left == names[: len(left)]
    assert 0 < len(left) < len(names)
    assert (folder / "original").exists()
    assert daemon.get(f"/p/{image['partitionedHash']}/{names[-1]}").status == 200
