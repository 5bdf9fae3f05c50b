"""A client that orders too many renders, while others are served."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import yaml
from daemon import Daemon, request, until
from faulty_proxy import FaultyProxy
from rclone import RcloneS3

from imaged.testing.pictures import make_jpeg, make_png

SETTINGS = """
limits: {renders_per_minute: 10, trusted_proxies: [127.0.0.1]}
render: {queue: 4, concurrency: 1}
"""
GREEDY, OTHER = "198.51.100.7", "198.51.100.8"


class Asker(threading.Thread):
    """Sends requests of one client on one connection until `ended` is set, and counts the statuses."""

    def __init__(self, daemon: Daemon, client: str, targets: Callable[[], str], ended: threading.Event) -> None:
        super().__init__(daemon=True)
        url = urlsplit(daemon.public)
        self._connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        self._client, self._targets, self._ended = client, targets, ended
        self.statuses = Counter[int]()

    def run(self) -> None:
        """Send requests."""
        while not self._ended.is_set():
            self._connection.request("GET", self._targets(), headers={"X-Forwarded-For": self._client})
            answer = self._connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
        self._connection.close()


def name(number: int) -> str:
    """Return another output for each number."""
    return f"w{number % 900 + 11}-q{number // 900 + 10}.jpg"


def test_a_greedy_client_harms_no_other(make_daemon: Callable[..., Daemon]) -> None:
    """24 connections of one client order new outputs all the time. Another one gets its hits, and new outputs."""
    daemon = make_daemon(SETTINGS)
    posted = request(daemon.public, "POST", "/p", make_jpeg())
    home = f"/p/{posted.json()['partitionedHash']}"
    assert daemon.get(f"{home}/w10.jpg").status == 200
    numbers, stop = itertools.count(), threading.Event()
    greedy = [Asker(daemon, GREEDY, lambda: f"{home}/{name(next(numbers))}", stop) for _ in range(24)]
    other = Asker(daemon, OTHER, lambda: f"{home}/w10.jpg", stop)
    began_s = time.monotonic()
    for each in [*greedy, other]:
        each.start()
    until(lambda: sum(each.statuses[429] for each in greedy) > 500, daemon)
    orders = [
        request(daemon.public, "GET", f"{home}/x{side}.jpg", headers={"X-Forwarded-For": OTHER})
        for side in range(20, 25)
    ]
    stop.set()
    for each in [*greedy, other]:
        each.join(60)
    minutes = (time.monotonic() - began_s) / 60
    got = sum((each.statuses for each in greedy), Counter[int]())
    assert [each.status for each in orders] == [200] * 5
    assert set(other.statuses) == {200}
    assert other.statuses[200] > 20
    assert set(got) <= {200, 429, 503}
    assert 10 <= got[200] <= 10 + 10 * minutes + 1


def test_invented_names_cost_few_calls(make_daemon: Callable[..., Daemon], rclone_s3: RcloneS3) -> None:
    """A client that asks for pictures that are not there has few calls of the remote store, and harms no other.

    It still gets new outputs of what is here, and a picture that another node has posted is soon found.
    """
    rclone_s3.make_bucket()
    proxy = FaultyProxy(rclone_s3.url)
    options = {**rclone_s3.options(rclone_s3.bucket), "endpoint_url": proxy.url}
    limits = {"renders_per_minute": 20, "trusted_proxies": ["127.0.0.1"]}
    settings = {"uploader": "s3", "plugins": {"s3": options}, "limits": limits, "access": {"open": True}}
    first, second = (make_daemon(yaml.safe_dump(settings)) for _ in range(2))
    home = f"/p/{first.post('/p', make_jpeg()).json()['partitionedHash']}"

    def ask(client: str, *targets: str) -> Counter[int]:
        headers = {"X-Forwarded-For": client}
        return Counter(request(first.public, "GET", each, headers=headers).status for each in targets)

    def calls() -> int:
        return sum(count for (method, path), count in proxy.calls.items() if method == "GET" and "/p/" in path)

    before, began_s = calls(), time.monotonic()
    names = ("x300.jpg", "x300.auto", "original", "info.json", "srcset")
    got = ask(GREEDY, *(f"/p/{secrets.token_hex(16)}/{names[number % 5]}" for number in range(100)))
    most = 20 + 20 * (time.monotonic() - began_s) / 60 + 1
    assert 20 <= got[404] == calls() - before <= most
    assert got[404] + got[429] == 100
    assert ask(GREEDY, *(f"{home}/w{width}.jpg" for width in range(20, 30))) == {200: 10}
    assert ask(OTHER, f"/p/{secrets.token_hex(16)}/x300.jpg") == {404: 1}
    picture = make_png(comment="posted on another node")
    lost = f"/p/{hashlib.md5(picture).hexdigest()}/x300.jpg"
    assert ask(OTHER, lost) == {404: 1}
    assert second.post("/p", picture).status == 200
    until(lambda: ask(OTHER, lost) == {200: 1}, first)
    proxy.close()
