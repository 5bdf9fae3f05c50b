"""A real carbon has the exact counts of the real daemon, over a reload and an outage of carbon."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from counted_load import TIMINGS, ask, settings
from counting import Carbon, keep_each
from daemon import Daemon, until
from loopback_origin import Origin
from source_tree import ROOT

from imaged.testing.pictures import make_png

INTERVAL_S = 2
SUFFIXES = ("count", "mean", "upper")


@pytest.fixture
def carbon(tmp_path: Path) -> Iterator[Carbon]:
    """Return a running carbon."""
    carbon = Carbon(tmp_path / "carbon", keep_each(INTERVAL_S))
    carbon.start()
    yield carbon
    carbon.stop()


def counts(carbon: Carbon) -> dict[str, float]:
    """Return the counts so far."""
    return {
        name: each for name, each in carbon.sums("stats.image_server.").items() if name.partition(".")[0] not in TIMINGS
    }


def test_counts_are_exact_over_a_reload(make_daemon: Callable[..., Daemon], origin: Origin, carbon: Carbon) -> None:
    """Counts and timings have the names that dashboards of image-server 1.x read."""
    daemon = make_daemon(settings("graphite", port=carbon.port, interval_s=INTERVAL_S))
    expected = ask(daemon, origin, daemon.hup)
    until(lambda: counts(carbon) == expected, daemon)
    assert daemon.post("/marker?outputs=x7.gif", make_png(comment="marker")).status == 200
    expected += {"image_request": 1, "image_request.gif": 1}
    until(lambda: counts(carbon)["image_request"] >= expected["image_request"], daemon)
    carbon.stop()
    assert counts(carbon) == expected
    values = carbon.values()
    assert {f"{name}.{suffix}" for name in TIMINGS for suffix in SUFFIXES} | {*expected} == {
        name.removeprefix("stats.image_server.") for name in values
    }
    for name, counted in zip(TIMINGS, ("image_request", "original_downloaded"), strict=True):
        number, mean, upper = (values[f"stats.image_server.{name}.{suffix}"] for suffix in SUFFIXES)
        assert sum(number.values()) == expected[counted]
        assert all(0 < mean[at_s] <= upper[at_s] < 60_000 for at_s in number)


def test_a_carbon_that_is_away_loses_nothing(
    make_daemon: Callable[..., Daemon], origin: Origin, carbon: Carbon
) -> None:
    """An outage of carbon loses no count and delays no request."""
    daemon = make_daemon(settings("graphite", port=carbon.port, interval_s=INTERVAL_S))
    expected = ask(daemon, origin, carbon.stop, pictures=3)
    until(lambda: "Connection refused" in (daemon.status()["metrics"][0]["fault"] or ""), daemon)
    assert "metrics sink graphite fails" in daemon.log.read_text()
    carbon.start()
    until(lambda: counts(carbon) == expected, daemon, within_s=90)


def test_a_carbon_that_stalls_loses_nothing(make_daemon: Callable[..., Daemon], origin: Origin, carbon: Carbon) -> None:
    """After a stall and a reload, each event counts once."""
    daemon = make_daemon(settings("graphite", port=carbon.port, interval_s=INTERVAL_S))
    carbon.stall()
    expected = ask(daemon, origin, daemon.hup)
    carbon.resume()
    until(lambda: counts(carbon) == expected, daemon)
    assert daemon.status()["metrics"][0]["fault"] is None


def test_the_last_counts_of_a_daemon_are_not_lost(make_daemon: Callable[..., Daemon], carbon: Carbon) -> None:
    """The daemon sends its last counts before it exits, and a new daemon does not overwrite them.

    That could happen only in the same interval.
    """
    expected = {"image_request": 0}
    for name in ("one", "two"):
        daemon = make_daemon(settings("graphite", port=carbon.port, interval_s=INTERVAL_S))
        info = daemon.post("/p", make_png(comment=name)).json()
        for width in range(10, 15):
            assert daemon.get(f"/p/{info['hash']}/w{width}.png").status == 200
        expected["image_request"] += 5
        started_in = time.time() // INTERVAL_S
        until(lambda: time.time() // INTERVAL_S > started_in, daemon)  # noqa: B023  # called at once
        assert daemon.stop() == 0
    expected["image_request.png"] = expected["image_request"]
    until(lambda: counts(carbon) == expected, daemon)


def test_the_page_s_settings_of_carbon(make_daemon: Callable[..., Daemon], origin: Origin, tmp_path: Path) -> None:
    """Carbon keeps each metric as the page says: retention, and aggregation by sum, average or maximum."""
    page = (ROOT / "docs" / "statsd.md").read_text(encoding="utf-8")
    schemas, aggregation = re.findall(r"^```ini\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    carbon = Carbon(tmp_path / "carbon", schemas, aggregation)
    carbon.start()
    try:
        daemon = make_daemon(settings("graphite", port=carbon.port))
        expected = ask(daemon, origin, lambda: None, pictures=1)
        until(lambda: counts(carbon) == expected, daemon)
    finally:
        carbon.stop()
    methods = {"mean": "average", "upper": "max"}
    assert carbon.described() == {
        name: [methods.get(name.rpartition(".")[2], "sum"), 0, [[10, 172800], [60, 2592000], [900, 63072000]]]
        for name in carbon.values()
    }
