"""SIGHUP and `POST /reload`: all or nothing, unnoticed by clients, and without leaks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from daemon import Daemon, until
from load import PROMISED, Load, stock
from ports import endpoint, free_port, listens, url
from processes import Weight, weigh

from imaged.testing.pictures import make_jpeg

pytestmark = pytest.mark.whole_start

Changes = Mapping[str, Any]

GOOD: tuple[Changes, ...] = (
    {"images": {"default_quality": 60}, "shutdown_timeout_s": 20},
    {"metrics": ["lines"], "plugins": {"lines": {"path": "lines.jsonl"}}},
    {"uploader": "folder", "plugins": {"folder": {"path": "remote"}}},
    {"render": {"concurrency": 1}, "namespaces": {"q": {"maximum_width": 10}}},
)


ROUNDS = 8


def written(port: int, changes: Changes | None = None) -> str:
    """Return the text of a file whose first line is `listen`."""
    return yaml.safe_dump(
        {"listen": endpoint(port), "status": {"listen": endpoint(0)}, **(changes or {})}, sort_keys=False
    )


def bad_files(port: int, taken: int) -> list[tuple[str, str]]:
    """Return faulty files, each with the beginning of its error message."""
    good = written(port)
    last = len(good.splitlines()) + 1
    return [
        (f"{good}\tuploader: noop\n", f"imaged.yaml:{last}: "),
        (f"{good}imagess: {{}}\n", f"imaged.yaml:{last}: imagess: "),
        (f"{good}uploader: nothing\n", f"imaged.yaml:{last}: uploader: "),
        (f"{good}plugins: {{gate: {{raises: no paint}}}}\nprocessors: [gate]\n", f"imaged.yaml:{last + 1}: processors"),
        (written(taken), "imaged.yaml:1: listen: "),
    ]


def test_reloads_under_load(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """No client notices twenty SIGHUPs, of which five have bad files and five another port."""
    port, other = free_port(), free_port()
    daemon = make_daemon(written(port), environ=plugins, ports=())
    with socket.create_server(("127.0.0.1", 0)) as taken, Load(daemon.public, stock(daemon)) as load:
        for number, bad in enumerate(bad_files(port, taken.getsockname()[1])):
            for changes in (GOOD[2 * number % 4], GOOD[(2 * number + 1) % 4]):
                change(daemon, written(port, changes))
                load.wait_for(40)
            move(daemon, load, other)
            load.wait_for(40)
            refuse(daemon, *bad)
            load.wait_for(40)
            port, other = other, port
    assert load.tally.spotless, f"{load.tally}\n{daemon.tail}"
    for info in load.posted:
        daemon.wait_for_files(info, PROMISED)


def test_bad_files(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """The answer and the status name each fault with its file and line, and nothing changes."""
    port = free_port()
    daemon = make_daemon(written(port), environ=plugins, ports=())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for text, fault in bad_files(port, taken.getsockname()[1]):
            daemon.configure(text)
            answer = daemon.reload()
            assert (answer.status, answer.json()["ok"]) == (422, False)
            assert answer.json()["errors"][0].startswith(fault)
            assert daemon.status()["generation"]["last_reload"]["errors"] == answer.json()["errors"]
            refuse(daemon, text, fault)
    daemon.configure(written(port, {"state_dir": "elsewhere"}))
    [error] = daemon.reload().json()["errors"]
    assert error.startswith("imaged.yaml:4: state_dir: ")
    daemon.configure(written(port))
    answer = daemon.reload()
    assert (answer.status, answer.json()["ok"], answer.json()["errors"]) == (200, True, [])


def test_a_request_keeps_its_generation(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """A render that began before a reload keeps its quality and plugin, which is closed once, after it."""

    def gate(tag: str, quality: int, file: str) -> str:
        gate = {"tag": tag, "gate": file}
        render = {"isolation": "thread"}  # the gate is a file, which a worker process cannot see
        images = {"default_quality": quality}
        return yaml.safe_dump({"processors": ["gate"], "images": images, "plugins": {"gate": gate}, "render": render})

    daemon = make_daemon(gate("one", 41, "open"), environ=plugins)
    journal = daemon.folder / "journal"
    target = f"/p/{daemon.post('/p', make_jpeg()).json()['hash']}/full_size.webp"
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(daemon.get, target)
        until(lambda: journal.exists() and "one begin full_size.webp" in journal.read_text(), daemon)
        daemon.configure(gate("two", 92, "."))
        assert daemon.reload().status == 200
        assert daemon.get(target).body.endswith(b"two q92")
        assert not early.done()
        assert "one close" not in journal.read_text()
        (daemon.folder / "open").touch()
        assert early.result().body.endswith(b"one q41")
    until(lambda: "one close" in journal.read_text(), daemon)
    assert daemon.stop() == 0
    lines = journal.read_text().splitlines()
    assert lines.index("one end full_size.webp") < lines.index("one close")
    assert [line for line in lines if line.endswith("close")] == ["one close", "two close"]


def test_a_hundred_reloads(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """Fifty more leave the daemon with the threads, the open files and the memory that it had.

    A buffer or thread that is made once, whenever the machine needs it, adds to one round; a leak adds to every round.
    """
    daemon = make_daemon(environ=plugins)
    target = f"/p/{daemon.post('/p', make_jpeg()).json()['hash']}"

    def weight_after_fifty() -> Weight:
        for number in range(50):
            daemon.configure(yaml.safe_dump(GOOD[number % len(GOOD)]))
            assert daemon.reload().status == 200, daemon.tail
            daemon.get(f"{target}/w{number % 48 + 1}.jpg")
        return weigh(daemon.pid)

    weights = [weight_after_fifty(), weight_after_fifty()]
    while not weights[-1].within(1.02, weights[-2]):
        assert len(weights) < ROUNDS, weights
        weights.append(weight_after_fifty())


def move(daemon: Daemon, load: Load, port: int) -> None:
    """Move the daemon and its clients to another port."""
    old = urlsplit(daemon.public).port or 0
    load.moving(url(port))
    change(daemon, written(port))
    load.moved()
    daemon.public = url(port)
    until(lambda: not listens(old), daemon)


def change(daemon: Daemon, text: str) -> None:
    """Reload a good file, and check that it is in effect."""
    before = daemon.status()["generation"]["number"]
    daemon.configure(text)
    outcome = daemon.hup()
    assert (outcome["ok"], outcome["errors"]) == (True, []), daemon.tail
    status = daemon.status()
    wanted = yaml.safe_load(text)
    assert status["generation"]["number"] == before + 1
    assert status["processing"]["threads"] == wanted.get("render", {}).get(
        "concurrency", status["processing"]["threads"]
    )
    foreign = {name for name in ("lines", "folder") if name in [plugin["name"] for plugin in status["plugins"]]}
    assert foreign == set(wanted.get("plugins", ()))


def refuse(daemon: Daemon, text: str, fault: str) -> None:
    """Reload a bad file, and check that nothing changed."""
    before = daemon.status()
    daemon.configure(text)
    outcome = daemon.hup()
    assert outcome["ok"] is False
    assert outcome["errors"][0].startswith(fault), outcome
    assert fault in daemon.log.read_text()
    status = daemon.status()
    assert status["generation"]["number"] == before["generation"]["number"]
    assert (status["pid"], status["plugins"]) == (before["pid"], before["plugins"])
    assert daemon.get("/status_check").status == 200
