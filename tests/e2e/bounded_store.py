"""A daemon whose store is bounded, under requests by Zipf's law, beside a true LRU that gets the same requests."""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

import numpy as np
from daemon import Daemon
from PIL import Image
from processes import adopt_orphans

WIDTHS = range(200, 300, 10)
"""The outputs of each picture. They are PNGs of noise: they cost little to render, and take much room."""

BLOCK_BYTES = 4096
SETTINGS = """
processors: [pillow]
images: {{extensions: [png], read_formats: [jpg]}}
store: {{maximum_bytes: {bound_bytes}}}
"""


@dataclass
class Load:
    """Clients that request outputs until they are stopped; `wrong` lists answers that are not an output."""

    daemon: Daemon
    targets: list[str]
    skew: float
    pause_s: float
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    _stopped: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def run(self, seed: int) -> None:
        """Request outputs by Zipf's law. While the daemon is restarted, try again."""
        draw = random.Random(seed)
        weights = list(accumulate(rank**-self.skew for rank in range(1, len(self.targets) + 1)))
        connection: http.client.HTTPConnection | None = None
        while not self._stopped.is_set():
            (target,) = draw.choices(self.targets, cum_weights=weights)
            try:
                if connection is None:
                    url = urlsplit(self.daemon.public)
                    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
                connection.request("GET", target)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):  # the daemon is killed
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.1)
                continue
            with self._lock:
                self.answers += 1
                if answer.status != 200 or not body.startswith(b"\x89PNG"):
                    self.wrong.append(f"{target}: {answer.status} {body[:100]!r}")
            self._stopped.wait(self.pause_s)
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        """Let each client end after its request."""
        self._stopped.set()


@dataclass
class Report:
    """What a run has shown. The hits are parts of the requests after the store was full for the first time."""

    bound_bytes: int
    most_bytes: int
    others_bytes: int
    answers: int
    wrong: list[str]
    kills: int
    hits: float
    hit_bytes: float
    lru_hits: float
    lru_hit_bytes: float
    requests: int
    figures: dict[str, object]

    def __str__(self) -> str:
        """Return the report for people."""
        return (
            f"bound {self.bound_bytes / 1e6:.1f} MB, most by du {self.most_bytes / 1e6:.1f} MB, "
            f"of which originals, records and folders {self.others_bytes / 1e6:.1f} MB\n"
            f"{self.answers} answers, {len(self.wrong)} wrong, {self.kills} kills\n"
            f"hits of {self.requests} requests with a full store: {self.hits:.1%}, a true LRU {self.lru_hits:.1%} "
            f"({self.hits / max(1e-9, self.lru_hits):.3f} of it); by bytes {self.hit_bytes:.1%}, "
            f"a true LRU {self.lru_hit_bytes:.1%}\n{json.dumps(self.figures)}"
        )


def run(
    daemon: Daemon,
    bound_bytes: int,
    *,
    pictures: int,
    seconds: float,
    clients: int = 3,
    kills: int = 0,
    pause_s: float = 0,
) -> Report:
    """Post pictures, load the daemon for so many seconds, kill it meanwhile, and report."""
    targets = [f"{folder}/w{width}.png" for folder in _post(daemon, pictures) for width in WIDTHS]
    random.Random(1).shuffle(targets)
    others_bytes = disk_usage(daemon.store)
    load = Load(daemon, targets, 1.0, pause_s)
    logs = [daemon.log]
    threads = [Thread(target=load.run, args=(seed,)) for seed in range(clients)]
    with _largest(daemon.store) as largest:
        for thread in threads:
            thread.start()
        for number in range(kills + 1):
            time.sleep(seconds / (kills + 1))
            if number < kills:
                daemon.kill()
                daemon.start()
                logs.append(daemon.log)
        load.stop()
        for thread in threads:
            thread.join()
    figures = daemon.status()["store"]
    requests = [each for log in logs for each in _requests(log)]
    return _compare(
        requests, Report(bound_bytes, largest(), others_bytes, load.answers, load.wrong, kills, 0, 0, 0, 0, 0, figures)
    )


def disk_usage(folder: Path) -> int:
    """Return the bytes that `du` counts; files may disappear meanwhile."""
    result = subprocess.run(["du", "-s", "-B1", folder], check=False, capture_output=True, text=True)
    return int(result.stdout.split()[0])


@contextmanager
def _largest(folder: Path) -> Iterator[Callable[[], int]]:
    """Measure a folder all the time; give what returns its largest size."""
    ended, sizes = Event(), [0]

    def watch() -> None:
        while not ended.wait(0.3):
            sizes.append(disk_usage(folder))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield lambda: max(sizes)
    finally:
        ended.set()
        thread.join()


def _post(daemon: Daemon, pictures: int) -> list[str]:
    """Post pictures of noise; return the path of each."""
    folders = []
    for number in range(pictures):
        answer = daemon.post("/p", make_noise(number))
        assert answer.status == 200, answer.body
        folders.append(f"/p/{answer.json()['partitionedHash']}")
    return folders


def make_noise(seed: int = 0) -> bytes:
    """Return a small JPEG whose PNGs are large."""
    file = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (150, 300, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=20)
    return file.getvalue()


def _requests(log: Path) -> Iterator[tuple[str, bool, int]]:
    """Yield the path of each output that was sent, whether the store had it, and what its file occupies."""
    for line in log.read_text().splitlines():
        with suppress(ValueError):
            entry = json.loads(line)
            if entry.get("outcome"):
                yield entry["path"], entry["outcome"] == "hit", -(-entry["bytes"] // BLOCK_BYTES) * BLOCK_BYTES


def _compare(requests: list[tuple[str, bool, int]], report: Report) -> Report:
    """Give the requests to a true LRU that has the same room for outputs, and count from when that is full."""
    room_bytes = report.bound_bytes - report.others_bytes
    kept = OrderedDict[str, int]()
    used_bytes, is_full = 0, False
    counts = [[0, 0, 0], [0, 0, 0]]  # hits, hits of the LRU, requests; and their bytes
    for path, is_hit, size_bytes in requests:
        in_lru = path in kept
        if is_full:
            for count, amount in zip(counts, (1, size_bytes), strict=True):
                count[0] += amount * is_hit
                count[1] += amount * in_lru
                count[2] += amount
        kept[path] = size_bytes
        kept.move_to_end(path)
        used_bytes += 0 if in_lru else size_bytes
        while used_bytes > room_bytes:
            is_full = True
            used_bytes -= kept.popitem(last=False)[1]
    (hits, lru_hits, total), (hit_bytes, lru_hit_bytes, total_bytes) = counts
    report.hits, report.lru_hits, report.requests = hits / max(1, total), lru_hits / max(1, total), total
    report.hit_bytes, report.lru_hit_bytes = hit_bytes / max(1, total_bytes), lru_hit_bytes / max(1, total_bytes)
    return report


def main() -> None:
    """Run for some minutes, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--bound-bytes", type=int, default=200_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--clients", type=int, default=3)
    asked = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), SETTINGS.format(bound_bytes=asked.bound_bytes))
        daemon.start()
        try:
            report = run(
                daemon,
                asked.bound_bytes,
                pictures=asked.pictures,
                seconds=asked.seconds,
                clients=asked.clients,
                kills=asked.kills,
            )
        finally:
            daemon.stop()
    sys.stdout.write(f"{report}\n")
    sys.exit(bool(report.wrong) or report.most_bytes > 1.05 * asked.bound_bytes)


if __name__ == "__main__":
    main()
