"""The status page of the real daemon in Chromium: at work, over reloads, drains and upgrades."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from browser import Browser
from daemon import Answer, Daemon, request, until
from handover import complete, upgrade
from imaged_hostile import bad_picture
from loopback_origin import Origin
from ports import endpoint, free_port
from processes import descendants

from imaged.testing.pictures import make_png

pytestmark = pytest.mark.whole_start

Begin = Callable[..., Future[Answer]]

BASE: dict[str, Any] = {
    "processors": ["gate"],
    "plugins": {"gate": {"gate": "open"}},
    "sources": {"allow_networks": ["127.0.0.0/8"]},
    "render": {"concurrency": 3, "isolation": "thread"},  # the gate is a file, which a worker process cannot see
}


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Return a function that begins a request in the background."""
    with ThreadPoolExecutor(20) as pool:
        yield pool.submit


def figures(browser: Browser) -> dict[str, Any]:
    """Return the work in flight on the page."""
    return {
        "processing": [browser.text("#processing-current"), browser.texts("#processing-items tr td:nth-child(-n+3)")],
        "downloads": [browser.text("#downloads-current"), browser.texts("#downloads-items tr td:first-child")],
        "requests": browser.text("#requests-current"),
    }


def expected(status: Any) -> dict[str, Any]:
    """Return the same work from `/status.json`."""
    processing, downloads = status["processing"], status["downloads"]
    cells = [row[key] for row in processing["items"] for key in ("namespace", "hash", "output")]
    return {
        "processing": [str(processing["current"]), cells],
        "downloads": [str(downloads["current"]), [row["url"] for row in downloads["items"]]],
        "requests": str(status["requests"]["current"]),
    }


def agree(browser: Browser, daemon: Daemon) -> None:
    """Wait until the page shows the daemon's figures."""
    browser.until(lambda: figures(browser) == expected(daemon.status()))


def occupy(daemon: Daemon, begin: Begin, origin: Origin) -> list[Future[Answer]]:
    """Begin four renders, for three threads, and two downloads, and hold them all."""
    homes = [f"/p/{daemon.post('/p', make_png(40 + each, 30)).json()['hash']}" for each in range(4)]
    begun = [begin(daemon.get, f"{home}/full_size.webp") for home in homes]
    for name in ("a.png", "b.png"):
        origin.pictures[name] = make_png(200, 200, comment=f"{name} {'x' * 5000}")
        begun.append(begin(daemon.post, f"/p?source={quote(f'{origin.url}/slow/{name}', safe='')}"))
    until(lambda: daemon.status()["processing"]["current"] >= 3, daemon)
    until(lambda: len([each for each in daemon.status()["downloads"]["items"] if each["bytes"]]) == 2, daemon)
    return begun


def test_the_page_shows_requests_in_flight(
    make_daemon: Callable[..., Daemon],
    plugins: dict[str, str],
    make_browser: Callable[..., Browser],
    begin: Begin,
    origin: Origin,
) -> None:
    """The page agrees with `/status.json`, with and without scripts, and the console stays empty."""
    daemon = make_daemon(yaml.safe_dump(BASE), environ=plugins)
    live, plain = make_browser(), make_browser(scripts=False)
    for browser in (live, plain):
        browser.open(daemon.private)
        assert figures(browser) == expected(daemon.status())
    begun = occupy(daemon, begin, origin)
    for browser in (live, plain):
        agree(browser, daemon)
        assert len(figures(browser)["processing"][1]) >= 9
        assert len(figures(browser)["downloads"][1]) == 2
        assert browser.complaints == []
    assert live.text("dl.figures .bar") == ""
    assert live.run("return document.querySelector('.bar rect').getAttribute('width')") == "100"
    (daemon.folder / "open").touch()
    origin.release.set()
    assert {each.result().status for each in begun} == {200}
    for browser in (live, plain):
        agree(browser, daemon)
        assert figures(browser) == expected(daemon.status())
        assert "nothing in flight" in browser.text("main")
        assert browser.complaints == []


def test_worker_processes(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], make_browser: Callable[..., Browser]
) -> None:
    """The page has a row for each, how they are confined, and how many died of what; so has `/status.json`."""
    settings = {"processors": ["hostile"], "render": {"concurrency": 1}, "metrics": ["prometheus"]}
    daemon = make_daemon(yaml.safe_dump(settings), environ=plugins)
    home = f"/p/{daemon.post('/p', bad_picture('render', 'segfault')).json()['hash']}"
    assert [daemon.get(f"{home}/{name}").status for name in ("x10.png", "x11.png")] == [415, 415]
    until(lambda: daemon.status()["processing"]["workers"], daemon)
    processing = daemon.status()["processing"]
    assert (processing["worker_deaths"], processing["recent_deaths"]) == ({"SIGSEGV": 1}, 1)
    assert (processing["refused_pictures"], processing["workers_fault"]) == (1, None)
    assert processing["isolation"]["kind"] == "process"
    assert {each["pid"] for each in processing["workers"]} <= descendants(daemon.pid)
    browser = make_browser()
    browser.open(daemon.private)
    shown = {int(each) for each in browser.texts("#worker-items th")}
    assert {each["pid"] for each in processing["workers"]} <= shown <= descendants(daemon.pid)
    assert "SIGSEGV 1" in browser.text("main")
    body = request(daemon.private, "GET", "/metrics").body
    assert b'imaged_worker_deaths_total{cause="SIGSEGV"} 1.0' in body


def test_reloads(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], make_browser: Callable[..., Browser]
) -> None:
    """A refused reload is an alert with all its faults until a good one follows; a hostile fault is text."""
    daemon = make_daemon(yaml.safe_dump(BASE), environ=plugins)
    browser = make_browser()
    browser.open(daemon.private)
    daemon.configure(yaml.safe_dump({**BASE, "<script>alert(1)</script>": 1, "uploader": "nothing"}))
    errors = daemon.hup()["errors"]
    assert len(errors) == 2
    browser.until(lambda: browser.texts("#faults li") == errors)
    assert browser.texts(".alerts strong") == ["Reload refused"]
    daemon.configure(yaml.safe_dump({**BASE, "status": {"try_page": True}}))
    assert daemon.hup()["ok"]
    browser.until(lambda: not browser.texts("#faults li"))
    assert browser.text(".outcome") == "taken"
    assert browser.texts(".alerts strong") == []
    assert browser.texts("nav a") == ["Try a picture", "JSON"]
    assert browser.complaints == []


def test_a_daemon_that_stops_and_its_successor(
    make_daemon: Callable[..., Daemon],
    plugins: dict[str, str],
    make_browser: Callable[..., Browser],
    begin: Begin,
    origin: Origin,
) -> None:
    """The page shows draining, then the time of the last answer, and reloads itself when another process answers."""
    settings = {**BASE, "listen": endpoint(0), "status": {"listen": endpoint(free_port())}}
    daemon = make_daemon(yaml.safe_dump(settings), environ=plugins, ports=())
    browser = make_browser()
    browser.open(daemon.private)
    begun = occupy(daemon, begin, origin)
    agree(browser, daemon)
    pid = daemon.pid
    assert str(pid) in browser.text(".who")
    daemon.process.send_signal(signal.SIGTERM)
    browser.until(lambda: browser.text(".health") == "draining")
    assert browser.texts(".alerts strong") == ["Draining"]
    agree(browser, daemon)
    assert browser.complaints == []
    (daemon.folder / "open").touch()
    origin.release.set()
    assert {each.result().status for each in begun} == {200}
    browser.until(lambda: browser.text("#lost").startswith("no answer since "))
    assert browser.run("return getComputedStyle(document.querySelector('main')).opacity") == "0.45"
    browser.run("window.isOld = true")
    daemon.start()
    browser.until(lambda: f"pid {daemon.pid}" in " ".join(browser.text(".who").split()))
    assert browser.run("return window.isOld === undefined")
    assert browser.text("#lost") == ""
    assert browser.text(".health") == "OK"
    agree(browser, daemon)


def test_an_upgrade(make_daemon: Callable[..., Daemon], make_browser: Callable[..., Browser]) -> None:
    """After a handover, the page reloads itself from the new process."""
    daemon = make_daemon()
    browser = make_browser()
    browser.open(daemon.private)
    browser.run("window.isOld = true")
    old = upgrade(daemon)
    pid = complete(daemon)
    assert pid != old.pid
    browser.until(lambda: f"pid {pid}" in " ".join(browser.text(".who").split()))
    assert browser.run("return window.isOld === undefined")
    assert browser.text("#lost") == ""
