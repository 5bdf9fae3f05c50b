"""What limits for clients cost: `python bench/client_limits.py`.

CPU of the daemon for a stored output with and without limits, the smallest of several rounds in turn. Then its memory
while a million addresses ask once each, and during 100,000 refusals.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from servers import Server
from signed_hits import cpu_ns, rss_bytes

from imaged.testing.pictures import make_jpeg

CLIENT = "198.51.100.7"
BATCH = 20
"""How many requests are sent at once."""

TRUSTED = "limits.trusted_proxies=[127.0.0.1]"
SIDES = {
    "no limits": (["log.access=false"], ""),
    "a trusted proxy": (["log.access=false", TRUSTED], CLIENT),
    "requests_per_s": (["log.access=false", "limits.requests_per_s=1000000"], ""),
    "both": (["log.access=false", "limits.requests_per_s=1000000", TRUSTED], CLIENT),
}


def ask(address: str, path: str, clients: Iterable[str]) -> Counter[int]:
    """Ask once for each client, on one connection, and count the statuses."""
    url, statuses, rest = urlsplit(address), Counter[int](), iter(clients)
    with socket.create_connection((url.hostname, url.port)) as connection, connection.makefile("rb") as answers:
        while batch := list(islice(rest, BATCH)):
            requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {each}\r\n\r\n" for each in batch]
            connection.sendall("".join(requests).encode())
            for _ in batch:
                statuses[int(answers.readline().split()[1])] += 1
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
    return statuses


def addresses(first: int, count: int) -> Iterator[str]:
    """Yield public IPv4 addresses, each once."""
    start = int(IPv4Address("20.0.0.0")) + first
    return (str(IPv4Address(number)) for number in range(start, start + count))


def hits(folder: Path, rounds: int, requests: int) -> None:
    """Print the CPU of a hit with each setting."""
    taken: dict[str, list[float]] = {name: [] for name in SIDES}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server(folder / name, settings)) for name, (settings, _) in SIDES.items()}
        paths = {name: server.put(make_jpeg(), "w40.jpg") for name, server in servers.items()}
        for number in range(rounds + 1):
            for name, server in servers.items():
                before_ns = cpu_ns(server.pid)
                ask(server.public, paths[name], [SIDES[name][1] or CLIENT] * requests)
                if number:
                    taken[name].append((cpu_ns(server.pid) - before_ns) / requests / 1000)
    for name, each in taken.items():
        print(f"{min(each):7.1f} us  {name}")


def crowd(folder: Path, count: int, step: int) -> None:
    """Print the memory of a daemon that `count` addresses ask."""
    settings = ["log.access=false", "access.open=true", TRUSTED, "limits.requests_per_s=0.001"]
    with Server(folder / "crowd", settings) as server:
        post = urllib.request.Request(f"{server.public}/p", make_jpeg(), {"X-Forwarded-For": "192.0.2.1"})
        with urllib.request.urlopen(post) as answer:  # our own server
            path = f"/p/{json.load(answer)['partitionedHash']}/w40.jpg"
        ask(server.public, path, ["192.0.2.2"])
        time.sleep(1)  # until it is stored
        before_bytes = rss_bytes(server.pid)
        for first in range(0, count, step):
            statuses = ask(server.public, path, addresses(first, step))
            grown = (rss_bytes(server.pid) - before_bytes) / 1e6
            print(f"{first + step:9} addresses: {dict(statuses)}, memory {grown:+.2f} MB")
        ask(server.public, path, [CLIENT] * 1000)
        before_bytes, before_ns = rss_bytes(server.pid), cpu_ns(server.pid)
        statuses = ask(server.public, path, [CLIENT] * 100_000)
        grown, spent_us = (rss_bytes(server.pid) - before_bytes) / 1e3, (cpu_ns(server.pid) - before_ns) / 1e8
        print(f"{dict(statuses)}: memory {grown:+.0f} kB, {spent_us:.1f} us each")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--addresses", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hits(Path(folder), options.rounds, options.requests)
        crowd(Path(folder), options.addresses, max(1, options.addresses // 10))


if __name__ == "__main__":
    main()
