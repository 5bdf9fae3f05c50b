"""A metrics sink that raises or hangs costs no request, no other sink, and no reload or end of the daemon."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from clients import connected
from daemon import Daemon, until

from imaged.testing.pictures import make_jpeg

ASKED = 300


def settings(how: str) -> str:
    """Return settings with a failing sink and a working one."""
    options = {"wreck": {"how": how}, "lines": {"path": "lines.jsonl"}}
    return yaml.safe_dump({"metrics": ["wreck", "lines"], "plugins": options})


def events(daemon: Daemon) -> Counter[str]:
    """Return the events of the working sink, by kind."""
    text = (daemon.folder / "lines.jsonl").read_text()
    return Counter(json.loads(line)["event"] for line in text.splitlines())


@pytest.mark.parametrize("how", ["", "raise", "hang"])
def test_requests_notice_nothing(make_daemon: Callable[..., Daemon], plugins: dict[str, str], how: str) -> None:
    """The daemon answers all requests, and the other sink gets each event. `bench/broken_sinks.py` measures speed."""
    daemon = make_daemon(settings(how), environ=plugins)
    home = f"/p/{daemon.post('/p', make_jpeg()).json()['partitionedHash']}"
    connection = connected(daemon)
    for number in range(ASKED):
        connection.request("GET", f"{home}/x{10 + number % 10}.jpg")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    connection.close()
    until(lambda: events(daemon)["RequestAnswered"] == ASKED + 1, daemon)
    until(lambda: events(daemon)["OutputRendered"] == 10, daemon)
    sinks: dict[str, Any] = {each["name"]: each for each in daemon.status()["metrics"]}
    assert (sinks["lines"]["failed"], sinks["lines"]["lost"], sinks["lines"]["fault"]) == (0, 0, None)
    if how == "raise":
        assert sinks["wreck"]["failed"] == sinks["wreck"]["recorded"] > ASKED
        assert "no route to the host that counts" in sinks["wreck"]["fault"]
    if how == "hang":
        assert sinks["wreck"]["recorded"] == 0
    if not how:
        assert Path(daemon.folder / "statuses").read_text().count("200") == ASKED + 1


def test_a_sink_that_hangs_keeps_neither_a_reload_nor_the_end(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str]
) -> None:
    """A reload starts a new sink, and the process exits long before `shutdown_timeout_s`."""
    daemon = make_daemon(settings("hang"), "shutdown_timeout_s=600", environ=plugins)
    daemon.post("/p", make_jpeg())
    daemon.configure(settings(""))
    assert daemon.reload().json()["ok"]
    daemon.post("/p", make_jpeg())
    until((daemon.folder / "statuses").exists, daemon)
    daemon.configure(settings("hang"))
    assert daemon.reload().json()["ok"]
    daemon.post("/p", make_jpeg())
    assert daemon.stop() == 0
