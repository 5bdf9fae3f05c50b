"""Originals fetched by URL, from a real server on loopback."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from daemon import Daemon, until
from loopback_origin import Origin

from imaged.testing.pictures import make_jpeg, make_png

ALLOWED = "sources: {allow_networks: [127.0.0.1/32], timeout_s: 2, maximum_bytes: 1000000}\n"


def fetch(daemon: Daemon, url: str) -> int:
    """Post a source and return the status of the answer."""
    answer = daemon.post(f"/p?source={quote(url, safe='')}")
    assert answer.status == 200 or answer.json()["error"]
    return answer.status


def test_private_networks_are_refused(make_daemon: Callable[..., Daemon], origin: Origin) -> None:
    """The daemon fetches from loopback only if the settings allow it."""
    daemon = make_daemon()
    origin.pictures["a.jpg"] = make_jpeg()
    assert fetch(daemon, f"{origin.url}/a.jpg") == 403
    assert origin.hits == {}


def test_good_and_bad_sources(make_daemon: Callable[..., Daemon], origin: Origin) -> None:
    """Sources in allowed networks work; a forbidden redirect, a missing page and an endless one differ in status."""
    daemon = make_daemon(ALLOWED)
    origin.pictures["a.jpg"] = make_jpeg()
    assert fetch(daemon, f"{origin.url}/a.jpg") == 200
    assert fetch(daemon, f"{origin.url}/to?{origin.url}/a.jpg") == 200
    assert fetch(daemon, f"{origin.url}/to?http://127.0.0.2:1/a.jpg") == 403
    assert fetch(daemon, f"{origin.url}/missing.jpg") == 404
    assert fetch(daemon, f"{origin.url}/endless") == 413
    assert fetch(daemon, "ftp://127.0.0.1/a.jpg") == 400
    assert daemon.status()["downloads"]["current"] == 0


def test_a_source_that_drips(make_daemon: Callable[..., Daemon], origin: Origin) -> None:
    """The daemon abandons a source that sends a byte now and then without end, after the timeout."""
    daemon = make_daemon(ALLOWED)
    began_s = time.monotonic()
    assert fetch(daemon, f"{origin.url}/drip") == 504
    assert time.monotonic() - began_s > 1.9


def test_one_fetch_for_many(make_daemon: Callable[..., Daemon], origin: Origin) -> None:
    """Simultaneous posts of one slow source cost one download, which the status shows."""
    daemon = make_daemon("sources: {allow_networks: [127.0.0.0/8], timeout_s: 30}\n")
    origin.pictures["a.png"] = make_png(200, 200, comment="x" * 5000)
    with ThreadPoolExecutor(10) as pool:
        posts = [pool.submit(fetch, daemon, f"{origin.url}/slow/a.png") for _ in range(10)]
        until(lambda: daemon.status()["posting"]["current"] == 10, daemon)
        [item] = until(lambda: daemon.status()["downloads"]["items"], daemon)
        assert item["url"] == f"{origin.url}/slow/a.png"
        assert 0 <= item["bytes"] <= 1000
        origin.release.set()
        assert {post.result() for post in posts} == {200}
    assert origin.hits == {"/slow/a.png": 1}
