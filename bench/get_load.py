"""Load a daemon with GET requests on kept connections, from a separate process: `get_load.py HOST PORT PATH …`.

Prints one JSON object: how many answers came in how many seconds, and the milliseconds of the median and of the slowest
hundredth. Every answer has to be 200.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import time

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Connection:
    """One connection, on which one request is out at a time."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._asked_s = 0.0

    def ask(self) -> None:
        """Send the request."""
        self._asked_s = time.perf_counter()
        self._socket.sendall(self._request)

    def take(self) -> float:
        """Read the answer, and return the seconds that it took. Raises RuntimeError when it is not 200."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        length = _LENGTH.search(data, 0, end + 2)
        if not data.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(f"no answer to measure by: {data[:200]!r}")
        missing = end + 4 + int(length[1]) - len(data)
        while missing > 0:
            missing -= len(self._more())
        return time.perf_counter() - self._asked_s

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server hung up")
        return data


def run(host: str, port: int, path: str, connections: int, seconds: float) -> dict[str, float]:
    """Ask on every connection again and again for so many seconds."""
    opened = [Connection(host, port, path) for _ in range(connections)]
    took_s: list[float] = []
    began_s = time.perf_counter()
    for each in opened:
        each.ask()
    while time.perf_counter() - began_s < seconds:
        for each in opened:
            took_s.append(each.take())
            each.ask()
    took_s += [each.take() for each in opened]
    elapsed_s = time.perf_counter() - began_s
    took_s.sort()
    return {
        "answers": len(took_s),
        "elapsed_s": elapsed_s,
        "per_s": len(took_s) / elapsed_s,
        "p50_ms": 1000 * took_s[len(took_s) // 2],
        "p99_ms": 1000 * took_s[len(took_s) * 99 // 100],
    }


def main() -> None:
    """Read the command line and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    print(json.dumps(run(given.host, given.port, given.path, given.connections, given.seconds)))


if __name__ == "__main__":
    main()
