"""What worker processes cost, and what they save: `render.isolation: process` against `thread`.

Both daemons run all the time and are measured in turn, so that whatever else the machine does meets both. A round has
three parts. One client has small outputs rendered, one by each daemon in turn. Two clients do so at once. A separate
process asks for a stored output while eight clients keep every render worker busy.

    python bench/isolation.py [--rounds 10] [--renders 60] [--seconds 4]
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from process_tree import Use, measure
from servers import Server
from synthetic import synthesise

KINDS = ("thread", "process")
SMALL, LARGE, STORED = "x300.jpg", "w1000.jpg", "w40.jpg"
ORIGINALS = 8
BUSY_CLIENTS = 8


@dataclass
class Seen:
    """The figures of one kind of isolation, in the order in which they were measured."""

    latency_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    hits_p50_ms: list[float] = field(default_factory=list)
    hits_p99_ms: list[float] = field(default_factory=list)
    hits_per_s: list[float] = field(default_factory=list)
    busy_per_s: list[float] = field(default_factory=list)
    use: Use | None = None


class Renderer:
    """A client that has outputs rendered: it removes the stored file before each request."""

    def __init__(self, server: Server, paths: list[str]) -> None:
        url = urlsplit(server.public)
        self._connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        self._store = server.store
        self._paths = paths

    def run(self, renders: int, first: int = 0) -> list[float]:
        """Render so many outputs, and return the seconds that each took. Raises RuntimeError for a failure."""
        took_s = []
        for number in range(first, first + renders):
            path = self._paths[number % len(self._paths)]
            (self._store / path.lstrip("/")).unlink(missing_ok=True)
            began_s = time.perf_counter()
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            answer.read()
            took_s.append(time.perf_counter() - began_s)
            if answer.status != http.client.OK:
                raise RuntimeError(f"{path} got {answer.status}")
        return took_s


class Measured:
    """A daemon with one kind of isolation, and the pictures that it has."""

    def __init__(self, server: Server, body: bytes) -> None:
        self.server = server
        self.seen = Seen()
        posted = [server.put(body + bytes([number]), STORED) for number in range(ORIGINALS)]
        self.stored = posted[0]
        homes = [path.rpartition("/")[0] for path in posted]
        self.small = [f"{home}/{SMALL}" for home in homes]
        self.large = [[f"{home}/{LARGE}"] for home in homes]

    def render_alone(self, number: int) -> None:
        """Render an output with one client, and add its latency."""
        self.seen.latency_ms += [1000 * each for each in Renderer(self.server, self.small).run(1, number)]

    def render_in_pairs(self, renders: int) -> None:
        """Render outputs with two clients at once, and add the rate."""
        halves = [self.small[::2], self.small[1::2]]
        began_s = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda paths: Renderer(self.server, paths).run(renders // 2), halves))
        self.seen.per_s.append(renders // 2 * 2 / (time.perf_counter() - began_s))

    def serve_while_busy(self, seconds: float) -> None:
        """Serve a stored output for so many seconds while all workers render, and add the figures."""
        seen = self.seen
        with self._busy() as rendered:
            began_s, began = time.perf_counter(), rendered()
            hits = self.server.load(self.stored, 4, seconds)
            seen.busy_per_s.append((rendered() - began) / (time.perf_counter() - began_s))
            seen.use = measure(self.server.pid)
        seen.hits_p50_ms.append(hits["p50_ms"])
        seen.hits_p99_ms.append(hits["p99_ms"])
        seen.hits_per_s.append(hits["per_s"])

    @contextmanager
    def _busy(self) -> Iterator[Callable[[], int]]:
        """Keep all workers busy. Yields the number of renders so far."""
        ending = threading.Event()
        counts = [0] * BUSY_CLIENTS

        def work(client: int) -> None:
            renderer = Renderer(self.server, self.large[client % ORIGINALS])
            while not ending.is_set():
                counts[client] += len(renderer.run(1))

        with ThreadPoolExecutor(BUSY_CLIENTS) as pool:
            working = [pool.submit(work, client) for client in range(BUSY_CLIENTS)]
            try:
                time.sleep(1)
                yield lambda: sum(counts)
            finally:
                ending.set()
        for each in working:
            each.result()


def show(thread: Seen, process: Seen) -> None:
    """Print the medians, and those of the ratios and differences of what was measured one after the other."""
    say(f"\n{'median':38} {'thread':>9} {'process':>9} {'ratio':>7} {'difference':>11}")
    rows = (
        ("one client: latency of a render, ms", thread.latency_ms, process.latency_ms),
        ("one client: CPU of a render, ms", thread.cpu_ms, process.cpu_ms),
        ("two clients: renders a second", thread.per_s, process.per_s),
        ("all busy: median of stored hits, ms", thread.hits_p50_ms, process.hits_p50_ms),
        ("all busy: p99 of stored hits, ms", thread.hits_p99_ms, process.hits_p99_ms),
        ("all busy: stored hits a second", thread.hits_per_s, process.hits_per_s),
        ("all busy: large renders a second", thread.busy_per_s, process.busy_per_s),
    )
    for name, one, other in rows:
        pairs = list(zip(one, other, strict=True))
        ratio = statistics.median(there / here for here, there in pairs)
        difference = statistics.median(there - here for here, there in pairs)
        say(f"{name:38} {statistics.median(one):9.2f} {statistics.median(other):9.2f} {ratio:7.2f} {difference:+11.2f}")
    if thread.use and process.use:
        for name in ("processes", "rss_mib", "pss_mib"):
            one_use, other_use = float(getattr(thread.use, name)), float(getattr(process.use, name))
            say(f"{'all busy: ' + name:38} {one_use:9.0f} {other_use:9.0f} {other_use / one_use:7.2f}")


def main() -> None:
    """Measure, and print each round and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--renders", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        body = synthesise()
        measured = {
            kind: Measured(servers.enter_context(Server(Path(name) / kind, [f"render.isolation={kind}"])), body)
            for kind in KINDS
        }
        for each in measured.values():  # warms up
            Renderer(each.server, each.small).run(given.renders)
        for number in range(given.rounds):
            order = list(measured.values())[:: 1 if number % 2 else -1]
            before = [measure(each.server.pid).cpu_s for each in order]
            for render in range(given.renders):
                for each in order:
                    each.render_alone(render)
            for each, before_s in zip(order, before, strict=True):
                used_s = measure(each.server.pid).cpu_s - before_s
                each.seen.cpu_ms.append(1000 * used_s / given.renders)
            for _ in range(3):
                for each in order:
                    each.render_in_pairs(given.renders // 3)
            for each in order:
                each.serve_while_busy(given.seconds)
            for kind, each in measured.items():
                seen = each.seen
                say(
                    f"round {number + 1:2}  {kind:7}  {statistics.median(seen.latency_ms[-given.renders :]):6.1f} ms  "
                    f"{seen.cpu_ms[-1]:6.1f} ms CPU  {statistics.mean(seen.per_s[-3:]):6.1f}/s  "
                    f"hits p99 {seen.hits_p99_ms[-1]:6.2f} ms, {seen.hits_per_s[-1]:5.0f}/s"
                )
        show(measured["thread"].seen, measured["process"].seen)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
