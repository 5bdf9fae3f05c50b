"""Requests of every kind that metrics count, and the expected counts."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml
from daemon import Daemon, until
from loopback_origin import Origin

from imaged.testing.pictures import make_png

EXTENSIONS = ("jpg", "png", "gif", "webp")

TIMINGS = ("render_time", "download_time")


def settings(name: str, **options: Any) -> str:
    """Return settings with a metrics plugin and with sources on loopback."""
    return yaml.safe_dump(
        {"metrics": [name], "plugins": {name: options}, "sources": {"allow_networks": ["127.0.0.0/8"]}}
    )


def hand_over(daemon: Daemon) -> None:
    """Upgrade the daemon."""
    before = daemon.pid
    os.kill(before, signal.SIGUSR2)
    until(lambda: daemon.pid != before, daemon)


def ask(daemon: Daemon, origin: Origin, midway: Callable[[], Any], pictures: int = 6) -> Counter[str]:
    """Send requests of every counted kind, call a function while they are in flight, and return the expected counts.

    Several clients request twelve outputs of each picture at once. A last round requests them again as hits.
    """
    counts: Counter[str] = Counter()
    homes = []
    for number in range(pictures):
        origin.pictures[f"{number}.png"] = make_png(comment=str(number))
        info = daemon.post(f"/p?source={origin.url}/{number}.png").json()
        homes.append(f"/p/{info['hash']}")
        counts["original_downloaded"] += 1
    for number in range(3):
        assert daemon.post(f"/p?source={origin.url}/404?{number}").status == 404
        counts["original_unavailable"] += 1
    targets = [f"{home}/w{width}.{each}" for home in homes for width in (10, 20, 30) for each in EXTENSIONS]
    with ThreadPoolExecutor(5) as pool:
        half = pool.map(lambda target: daemon.get(target).status, targets[: len(targets) // 2])
        doing = pool.submit(midway)
        rest = pool.map(lambda target: daemon.get(target).status, targets[len(targets) // 2 :])
        assert {*half, *rest} == {200}, daemon.tail
        doing.result()
        assert set(pool.map(lambda target: daemon.get(target).status, targets)) == {200}
    for target in targets:
        _count(counts, "image_request", target.rpartition(".")[2])
    for target, extension in [("w5000.jpg", "jpg"), ("w5000.webp", "webp"), ("x0.jpg", "jpg"), ("nothing", None)]:
        assert daemon.get(f"{homes[0]}/{target}").status in {404, 406}
        _count(counts, "image_request_fail", extension)
    assert daemon.get(f"/p/{'0' * 32}/w10.png").status == 404
    _count(counts, "image_request_fail", "png")
    counts["original_unavailable"] += 1
    assert daemon.get(f"/p/{'0' * 32}/info.json").status == 404
    counts["original_unavailable"] += 1
    assert daemon.get("/nothing/at/all").status == 404
    assert daemon.post("/p", b"no picture").status == 415
    return counts


def _count(counts: Counter[str], name: str, extension: str | None) -> None:
    counts[name] += 1
    if extension:
        counts[f"{name}.{extension}"] += 1
