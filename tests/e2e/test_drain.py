"""At an upgrade, the old process finishes its requests, and the new one takes over its queued jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import RemoteDisconnected
from urllib.parse import quote

import pytest
import yaml
from clients import connected, health
from daemon import Daemon, until
from handover import complete, upgrade
from loopback_origin import Origin
from processes import living_in

from imaged.daemon.service import QUIET_S
from imaged.testing.pictures import make_jpeg, make_png

pytestmark = pytest.mark.whole_start

GATED = {"processors": ["gate"], "render": {"isolation": "thread"}}
"""The gate is a file, which a worker process cannot see."""


def test_a_body_on_its_way(make_daemon: Callable[..., Daemon]) -> None:
    """The old process accepts a half-posted picture, and its queued outputs appear."""
    daemon = make_daemon()
    body = make_png(300, 200, comment="x" * 100_000)
    connection = connected(daemon)
    connection.putrequest("POST", "/p?outputs=x10.png,x20.jpg")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:5000])
    old = upgrade(daemon)
    connection.send(body[5000:])
    answer = connection.getresponse()
    info = json.loads(answer.read())
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    assert old.wait() == 0, daemon.tail
    daemon.wait_for_files(info, ["x10.png", "x20.jpg"])


def test_an_answer_on_its_way(make_daemon: Callable[..., Daemon]) -> None:
    """A slow client receives all of a large file from the old process."""
    daemon = make_daemon()
    body = make_png(comment="x" * 20_000_000)
    target = f"/p/{daemon.post('/p', body).json()['hash']}/original"
    with closing(connected(daemon)) as connection:
        connection.request("GET", target)
        answer = connection.getresponse()
        begun = answer.read(1000)
        old = upgrade(daemon)
        assert begun + answer.read() == body
    assert old.wait() == 0, daemon.tail


def test_a_source_that_is_slow(make_daemon: Callable[..., Daemon], origin: Origin) -> None:
    """The new process does not delete the incoming file of a download of the old one."""
    daemon = make_daemon("sources: {allow_networks: [127.0.0.0/8]}\n")
    origin.pictures["a.png"] = make_png(200, 200, comment="x" * 5000)
    with ThreadPoolExecutor(1) as pool:
        fetch = pool.submit(daemon.post, f"/p?outputs=x10.png&source={quote(f'{origin.url}/slow/a.png', safe='')}")
        until(lambda: daemon.status()["downloads"]["items"], daemon)
        old = upgrade(daemon)
        origin.release.set()
        assert fetch.result().status == 200, daemon.tail
    assert old.wait() == 0, daemon.tail
    daemon.wait_for_files(fetch.result().json(), ["x10.png"])


def test_a_render_on_its_way(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """The old process finishes its render, then closes its plugins. The new one does other renders meanwhile."""

    def gate(tag: str, file: str) -> str:
        return yaml.safe_dump({"plugins": {"gate": {"tag": tag, "gate": file}}} | GATED)

    daemon = make_daemon(gate("one", "open"), environ=plugins)
    home = f"/p/{daemon.post('/p', make_jpeg()).json()['hash']}"
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(daemon.get, f"{home}/full_size.webp")
        until(lambda: daemon.status()["processing"]["current"], daemon)
        daemon.configure(gate("two", "."))
        old = upgrade(daemon)
        assert daemon.get(f"{home}/full_size.jpg").body.endswith(b"two q75")
        assert not held.done()
        (daemon.folder / "open").touch()
        assert held.result().body.endswith(b"one q75")
    assert old.wait() == 0, daemon.tail
    journal = (daemon.folder / "journal").read_text().splitlines()
    assert journal.index("one end full_size.webp") < journal.index("one close")
    assert journal.count("one close") == 1


def test_idle_connections(make_daemon: Callable[..., Daemon]) -> None:
    """The old process answers one more request on an idle connection, or closes it, and exits."""
    daemon = make_daemon()
    connections = [connected(daemon) for _ in range(10)]
    idle_since_s = time.monotonic()
    for each in connections:
        assert health(each) == (200, None)
    old = upgrade(daemon)
    try:
        assert health(connections[0]) == (200, "close")
    except RemoteDisconnected:
        assert time.monotonic() - idle_since_s >= QUIET_S  # the start of the new process took that long
    assert old.wait() == 0, daemon.tail
    assert complete(daemon) != old.pid
    for each in connections:
        assert each.sock is None or each.sock.recv(1) == b""
        each.close()


def test_jobs_in_progress(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """Each queued output is rendered, by the old process or the new one, and no job is left."""
    daemon = make_daemon(yaml.safe_dump({"plugins": {"gate": {"gate": "open"}}} | GATED), environ=plugins)
    infos = [daemon.post("/p?outputs=full_size.webp", make_png(comment=f"{each}")).json() for each in range(6)]
    until(lambda: daemon.status()["promised"]["current"], daemon)
    old = upgrade(daemon)
    (daemon.folder / "open").touch()
    assert old.wait() == 0, daemon.tail
    for info in infos:
        daemon.wait_for_files(info, ["full_size.webp"])
    until(lambda: (promised := daemon.status()["promised"])["current"] + promised["queued"] == 0, daemon)
    assert living_in(daemon.folder) == {daemon.pid}
