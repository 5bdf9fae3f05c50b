"""StatsD and carbon have the exact counts of the real daemon, over a reload and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from counted_load import TIMINGS, ask, hand_over, settings
from counting import Carbon, Statsd, keep_each
from daemon import Daemon, until
from loopback_origin import Origin

from imaged.testing.pictures import make_png


@pytest.fixture
def carbon(tmp_path: Path) -> Iterator[Carbon]:
    """Return a carbon that keeps a value for each second."""
    carbon = Carbon(tmp_path / "carbon", keep_each(1))
    carbon.start()
    yield carbon
    carbon.stop()


@pytest.fixture
def statsd(tmp_path: Path, carbon: Carbon) -> Iterator[Statsd]:
    """Return a StatsD that sends to it each second, so that its values per second are counts."""
    statsd = Statsd(tmp_path / "statsd", carbon)
    statsd.start()
    yield statsd
    statsd.stop()


def counts(carbon: Carbon, folder: str = "stats.image_server.") -> dict[str, float]:
    """Return the counts so far."""
    return carbon.sums(folder)


@pytest.mark.parametrize("midway", [Daemon.hup, hand_over])
def test_counts_are_exact_over_a_reload_and_an_upgrade(
    make_daemon: Callable[..., Daemon], origin: Origin, carbon: Carbon, statsd: Statsd, midway: Callable[[Daemon], Any]
) -> None:
    """Counts and timings have the names of image-server 1.x."""
    daemon = make_daemon(settings("statsd", port=statsd.port))
    expected = ask(daemon, origin, partial(midway, daemon))
    until(lambda: counts(carbon) == expected, daemon)
    assert daemon.post("/marker?outputs=x7.gif", make_png(comment="marker")).status == 200
    expected += {"image_request": 1, "image_request.gif": 1}
    until(lambda: counts(carbon)["image_request"] >= expected["image_request"], daemon)
    statsd.stop()
    carbon.stop()
    assert counts(carbon) == expected
    assert counts(carbon, "stats_counts.image_server.") == expected
    timings = {name: carbon.sums(f"stats.timers.image_server.{name}.")["count"] for name in TIMINGS}
    assert timings == {"render_time": expected["image_request"], "download_time": expected["original_downloaded"]}
    assert daemon.status()["metrics"][0]["fault"] is None


def test_the_last_counts_of_a_daemon_are_not_lost(
    make_daemon: Callable[..., Daemon], carbon: Carbon, statsd: Statsd
) -> None:
    """The daemon sends its last counts before it exits."""
    daemon = make_daemon(settings("statsd", port=statsd.port, prefix="node-1.images"))
    info = daemon.post("/p", make_png()).json()
    for width in range(10, 15):
        assert daemon.get(f"/p/{info['hash']}/w{width}.png").status == 200
    assert daemon.stop() == 0
    until(lambda: counts(carbon, "stats.node-1.images.") == {"image_request": 5, "image_request.png": 5}, daemon)


def test_a_statsd_that_is_away_costs_no_request(make_daemon: Callable[..., Daemon], statsd: Statsd) -> None:
    """The status page and the log name the fault, and a reload with another address ends it."""
    statsd.stop()
    daemon = make_daemon(settings("statsd", port=statsd.port))
    info = daemon.post("/p", make_png()).json()
    widths = iter(range(10, 1000))

    def shows_the_fault() -> bool:
        assert daemon.get(f"/p/{info['hash']}/w{next(widths)}.png").status == 200
        return "nothing listens on udp" in (daemon.status()["metrics"][0]["fault"] or "")

    until(shows_the_fault, daemon)
    assert "metrics sink statsd fails" in daemon.log.read_text()
    daemon.configure(settings("statsd", host="statsd.invalid"))
    assert daemon.hup()["ok"]
    assert "udp statsd.invalid:8125" in str(daemon.status()["plugins"])
    assert daemon.get(f"/p/{info['hash']}/w9.png").status == 200
    until(lambda: "statsd.invalid cannot be looked up" in (daemon.status()["metrics"][0]["fault"] or ""), daemon)
