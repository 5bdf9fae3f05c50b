"""An outage of the remote store delays uploads and loses none, also when the daemon is killed meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import yaml
from daemon import Answer, Daemon, request, until
from faulty_proxy import FAULTS, FaultyProxy
from rclone import RcloneS3

from imaged.testing.pictures import make_png

OUTPUTS = ("x10.png", "w20.webp")

KILLS = 10
REFUSED = 5
"""Each fault lasts until so many posts have been answered after the last kill."""

POSTERS, GETTERS = 3, 2

LONGEST_S = 150.0


class Clients:
    """Clients that post new pictures and get outputs, old and new, until `stop`, and keep the answers.

    A request without an answer, because the daemon was killed, does not count.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._done = threading.Event()
        self._lock = threading.Lock()
        self.fault: str | None = None
        self.stored: dict[str, bytes] = {}
        self.rendered: set[tuple[str, str]] = set()
        self.posts: Counter[tuple[str | None, int]] = Counter()
        self.gets: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._post) for _ in range(POSTERS)]
        self._threads += [threading.Thread(target=self._get) for _ in range(GETTERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients after their last answers."""
        self._done.set()
        for thread in self._threads:
            thread.join()

    def answers(self, fault: str) -> int:
        """Count the posts that began and were answered during a fault."""
        with self._lock:
            return sum(count for (during, _), count in self.posts.items() if during == fault)

    def has_answers(self, fault: str, count: int) -> bool:
        """Say whether so many posts began and were answered during a fault."""
        return self.answers(fault) >= count

    def has_stored(self, count: int) -> bool:
        """Say whether so many posts have been answered with 200."""
        return len(self.stored) >= count

    def _post(self) -> None:
        while not self._done.is_set():
            body, fault = make_png(comment=str(random.random())), self.fault
            answer = self._ask("POST", f"/p?outputs={','.join(OUTPUTS)}", body)
            with self._lock:
                if answer and answer.status == 200:
                    self.stored[answer.json()["partitionedHash"]] = body
                if answer:
                    self.posts[fault if fault == self.fault else "changing", answer.status] += 1
            self._done.wait(0.1)

    def _get(self) -> None:
        while not self._done.is_set():
            with self._lock:
                home = random.choice(list(self.stored) or [""])
            name = f"w{random.randrange(1, 40)}.png"
            if home and (answer := self._ask("GET", f"/p/{home}/{name}")):
                with self._lock:
                    self.gets[answer.status] += 1
                    if answer.status == 200:
                        self.rendered.add((home, name))
            self._done.wait(0.1)

    def _ask(self, method: str, target: str, body: bytes | None = None) -> Answer | None:
        with suppress(OSError, ValueError):
            return request(self._daemon.public, method, target, body)
        return None


@pytest.fixture
def proxy(store: RcloneS3) -> Iterator[FaultyProxy]:
    """Return a proxy for it."""
    proxy = FaultyProxy(store.url, slow_s=0.5)
    yield proxy
    proxy.close()


def settled(daemon: Daemon) -> bool:
    """Say whether the comparison of both stores has ended and no job is left."""
    status: Any = daemon.status()
    if status["remote"]["comparison"]["state"] != "ended":
        return False
    return not any(status[each][part] for each in ("uploads", "promised") for part in ("queued", "current", "parked"))


def test_nothing_is_lost(make_daemon: Callable[..., Daemon], store: RcloneS3, proxy: FaultyProxy) -> None:
    """During each fault, posts get 503 and gets work; afterwards every queued upload arrives.

    The test kills the daemon ten times meanwhile, and prints the counts. No two uploads of a file overlap.
    """
    options = {**store.options(store.bucket), "endpoint_url": proxy.url}
    settings = {"uploader": "s3", "plugins": {"s3": options}, "upload": {"timeout_s": 3}}
    daemon = make_daemon(yaml.safe_dump(settings))
    clients = Clients(daemon)
    try:
        until(lambda: len(clients.stored) > 10, daemon)
        for place, fault in enumerate(FAULTS):
            proxy.fault = clients.fault = fault
            for _ in range(KILLS * (place + 1) // len(FAULTS) - KILLS * place // len(FAULTS)):
                time.sleep(random.uniform(0.0, 1.0))
                daemon.kill()
                daemon.start()
            until(partial(clients.has_answers, fault, REFUSED + clients.answers(fault)), daemon)
            clients.fault = "changing"
            proxy.fault = None
            before = len(clients.stored)
            until(partial(clients.has_stored, before + 3), daemon)
    finally:
        clients.stop()
    until(lambda: settled(daemon), daemon, LONGEST_S)
    print(f"posts {dict(clients.posts)}; gets {dict(clients.gets)}; twice {proxy.twice}")  # noqa: T201
    missing = []
    for home, body in clients.stored.items():
        kept = store.buckets / store.bucket / "p" / home
        local = daemon.store / "p" / home
        rendered = [name for where, name in clients.rendered if where == home and (local / name).exists()]
        names = ["info.json", *OUTPUTS, *rendered]  # a kill may have come between an answer and the store
        if (kept / "original").read_bytes() != body:
            missing.append(f"{home}/original")
        missing += [
            f"{home}/{name}"
            for name in names
            if not (kept / name).exists() or (kept / name).read_bytes() != (local / name).read_bytes()
        ]
    assert missing == []
    assert proxy.twice == []
    assert set(clients.gets) == {200}
    for fault in FAULTS:
        statuses = {status for during, status in clients.posts if during == fault}
        assert statuses == {200 if fault == "slow" else 503}, (fault, clients.posts)
    lines = daemon.log.read_text()
    assert lines.count("the remote store is unreachable or refuses requests, and uploads wait") <= len(FAULTS)
