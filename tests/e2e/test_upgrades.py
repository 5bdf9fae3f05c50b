"""SIGUSR2: a new process takes over, and no client notices."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon import Daemon, until
from handover import complete, upgrade
from load import PROMISED, Ask, Load, stock
from ports import endpoint, free_port, url
from processes import Process, living_in, weigh

from imaged.testing.pictures import make_jpeg

pytestmark = pytest.mark.whole_start


def test_upgrades_under_load(make_daemon: Callable[..., Daemon]) -> None:
    """Eight upgrades, each followed by a reload, lose no request, and every old process exits with status 0.

    Persistent connections to the status port may be closed without an answer.
    """
    daemon = make_daemon()
    looks = [Ask("GET", "/status_check", b"OK\n".__eq__), Ask("GET", "/status.json", is_json)]
    with (
        Load(daemon.private, looks, kept=2, fresh=1, news=False) as watch,
        Load(daemon.public, stock(daemon)) as load,
    ):
        for number in range(8):
            old = upgrade(daemon)
            load.wait_for(40)
            daemon.configure(f"images: {{default_quality: {50 + number}}}\n")
            assert daemon.hup()["ok"] is True
            assert daemon.status()["generation"]["number"] == 2
            assert old.wait() == 0, daemon.tail
            assert living_in(daemon.folder) == {daemon.pid}
            load.wait_for(40)
    assert load.tally.spotless, f"{load.tally}\n{daemon.tail}"
    assert set(watch.tally.failures) <= {"eof"}, f"{watch.tally}\n{daemon.tail}"
    assert load.tally.turns["closed"] >= 8, load.tally
    for info in load.posted:
        daemon.wait_for_files(info, PROMISED)


def test_an_upgrade_to_another_port(make_daemon: Callable[..., Daemon]) -> None:
    """A new process with another port in its settings opens it before the old process closes its own."""
    private, *ports = (free_port() for _ in range(4))
    fixed = f"status: {{listen: '{endpoint(private)}'}}\n"
    daemon = make_daemon(f"{fixed}listen: '{endpoint(ports[0])}'\n", ports=())
    with Load(daemon.public, stock(daemon)) as load:
        for port in ports[1:]:
            daemon.configure(f"{fixed}listen: '{endpoint(port)}'\n")
            load.moving(url(port))
            old = upgrade(daemon)
            load.moved()
            load.wait_for(40)
            assert old.wait() == 0, daemon.tail
    assert load.tally.spotless, f"{load.tally}\n{daemon.tail}"
    daemon.public = url(ports[-1])
    assert daemon.get("/status_check").status == 200


def test_nothing_piles_up(make_daemon: Callable[..., Daemon]) -> None:
    """The process after five upgrades has no more open files, and no larger environment, than after one."""
    daemon = make_daemon()
    files, environments = [], []
    for _ in range(5):
        assert upgrade(daemon).wait() == 0
        files.append(weigh(daemon.pid).files)
        environments.append(sorted(Path(f"/proc/{daemon.pid}/environ").read_bytes().split(b"\0")))
    assert files[-1] - files[0] < len(files) - 2, files  # one connection may be open
    assert [len(each) for each in environments] == [len(environments[0])] * 5


def test_a_new_process_that_cannot_start(make_daemon: Callable[..., Daemon]) -> None:
    """With bad settings, the old process logs the fault and serves on; with good ones the upgrade succeeds."""
    daemon = make_daemon()
    old = daemon.pid
    daemon.configure("uploader: nothing\n")
    Process(old).send(signal.SIGUSR2)
    until(lambda: "imaged.yaml:1: uploader: " in daemon.log.read_text(), daemon)
    assert complete(daemon) == old
    assert daemon.post("/p", make_jpeg()).status == 200
    daemon.configure("uploader: noop\n")
    assert upgrade(daemon).wait() == 0
    assert complete(daemon) not in {old, None}


def test_a_new_process_keeps_the_ports(make_daemon: Callable[..., Daemon]) -> None:
    """The new process keeps ports that the system chose, and ports from a reload."""
    daemon = make_daemon()
    assert upgrade(daemon).wait() == 0
    assert daemon.get("/status_check").status == 200
    port, private = free_port(), free_port()
    settings = f"status: {{listen: '{endpoint(private)}'}}\nlisten: '{endpoint(port)}'\n"
    moving = make_daemon(f"status: {{listen: '{endpoint(private)}'}}\nlisten: '{endpoint(0)}'\n", ports=())
    moving.configure(settings)
    assert moving.reload().status == 200
    assert upgrade(moving).wait() == 0
    moving.public = url(port)
    assert moving.get("/status_check").status == 200


def test_upgrades_and_reloads_at_once(make_daemon: Callable[..., Daemon]) -> None:
    """After many signals at once, one process is left, with the last settings."""
    daemon = make_daemon()
    old = Process(daemon.pid)
    for number in range(1, 6):
        daemon.configure(f"render: {{concurrency: {number}}}\n")
        old.send(signal.SIGHUP)
        old.send(signal.SIGUSR2)
        old.send(signal.SIGHUP)
    assert old.wait() == 0
    assert complete(daemon) not in {old.pid, None}
    assert daemon.status()["processing"]["threads"] == 5


def test_to_leave_during_an_upgrade(make_daemon: Callable[..., Daemon]) -> None:
    """SIGTERM during an upgrade ends the new process, too."""
    daemon = make_daemon()
    os.kill(daemon.pid, signal.SIGUSR2)
    until(lambda: len(living_in(daemon.folder)) > 1, daemon)
    daemon.process.terminate()
    assert daemon.process.wait() == 0, daemon.tail
    assert complete(daemon) is None


def is_json(body: bytes) -> bool:
    """Say whether the body is a JSON object."""
    return isinstance(json.loads(body), dict)
