"""Load a server with GET requests on kept connections, from a separate process: `get_load.py HOST PORT < paths`.

Reads the paths from standard input, one a line. The connections take them in turn, each with one request out at a
time: again and again for so many seconds, or with `--once` each path once, and no longer than that. An answer has to be
200 or 503; after a 503 the connection waits for Retry-After and asks for the same path again. Prints one JSON object:
how many answers came in how many seconds, and the milliseconds of the median and of the slowest hundredth, also of
refusals.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: chunked\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after: (\d+)\r\n", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_PATIENCE_S = 60.0


class Connection:
    """One connection, on which one request is out at a time. `resumes_s` is not 0 while it waits after a refusal."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.open()
        self._got = b""
        self._missing = -1
        self.path = ""
        self.asked_s = 0.0
        self.resumes_s = 0.0

    def open(self) -> None:
        """Connect, also again after the server has closed."""
        self.socket = socket.create_connection((self._host, self._port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str) -> None:
        """Send a request."""
        self.path, self.resumes_s = path, 0.0
        self._got, self._missing = b"", -1
        self.asked_s = time.perf_counter()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def read(self) -> bytes | None:
        """Read what has come. Return the head of an answer that is complete.

        Raises RuntimeError when the server hung up.
        """
        data = self.socket.recv(1 << 20)
        if not data:
            raise RuntimeError(f"the server hung up on {self.path}: {self._got[:200]!r}")
        if self._missing >= 0:
            self._missing -= len(data)
        else:
            self._got += data
            if (end := self._got.find(b"\r\n\r\n")) < 0:
                return None
            if length := _LENGTH.search(self._got, 0, end + 2):
                self._missing = end + 4 + int(length[1]) - len(self._got)
            elif not _CHUNKED.search(self._got, 0, end + 2):
                raise RuntimeError(f"{self.path}: an answer without a length: {self._got[:200]!r}")
            elif not self._got.endswith(_LAST_CHUNK):
                return None
            else:
                self._missing = 0
        return None if self._missing else self._got.partition(b"\r\n\r\n")[0] + b"\r\n"


class Load:
    """Connections that take the next path when they have got an answer, until `ends_s` or until no path is left."""

    def __init__(self, connections: Sequence[Connection], paths: Iterator[str], seconds: float) -> None:
        self._paths = paths
        self._open = {*connections}
        self._selector = selectors.DefaultSelector()
        self._ends_s = time.perf_counter() + seconds
        self.took_s: list[float] = []
        self.refused_s: list[float] = []
        self.longest_retry_s = 0

    def run(self) -> None:
        """Make the requests. Raises RuntimeError for an answer that is neither 200 nor a good refusal."""
        for each in [*self._open]:
            self._selector.register(each.socket, selectors.EVENT_READ, each)
            self._next(each)
        while self._open:
            resumes_s = min((each.resumes_s for each in self._open if each.resumes_s), default=0)
            pause_s = max(resumes_s - time.perf_counter(), 0) if resumes_s else _PATIENCE_S
            ready = self._selector.select(pause_s)
            if not ready and not resumes_s:
                raise RuntimeError(f"no answer within {_PATIENCE_S} s")
            for key, _ in ready:
                connection: Connection = key.data
                if head := connection.read():
                    self._take(connection, head)
            now_s = time.perf_counter()
            for each in [each for each in self._open if each.resumes_s and each.resumes_s <= now_s]:
                self._next(each, each.path)

    def _take(self, connection: Connection, head: bytes) -> None:
        took_s = time.perf_counter() - connection.asked_s
        if _CLOSE.search(head):  # nginx does so after 1000 requests
            self._selector.unregister(connection.socket)
            connection.socket.close()
            connection.open()
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        if head.startswith(b"HTTP/1.1 200 "):
            self.took_s.append(took_s)
            self._next(connection)
        elif head.startswith(b"HTTP/1.1 503 ") and (retry := _RETRY.search(head)):
            self.refused_s.append(took_s)
            self.longest_retry_s = max(self.longest_retry_s, int(retry[1]))
            connection.resumes_s = min(time.perf_counter() + int(retry[1]), self._ends_s)
        else:
            raise RuntimeError(f"no answer to measure by: {connection.path}: {head[:300]!r}")

    def _next(self, connection: Connection, path: str = "") -> None:
        path = path or next(self._paths, "")
        if path and time.perf_counter() < self._ends_s:
            connection.ask(path)
        else:
            self._open.remove(connection)
            self._selector.unregister(connection.socket)


def run(host: str, port: int, paths: Iterator[str], connections: int, seconds: float) -> dict[str, float]:
    """Make the requests, and return the figures."""
    load = Load([Connection(host, port) for _ in range(connections)], paths, seconds)
    began_s = time.perf_counter()
    load.run()
    elapsed_s = time.perf_counter() - began_s
    figures: dict[str, float] = {
        "answers": len(load.took_s),
        "elapsed_s": elapsed_s,
        "per_s": len(load.took_s) / elapsed_s,
        "refused": len(load.refused_s),
        "longest_retry_s": load.longest_retry_s,
    }
    for kind, took_s in (("", sorted(load.took_s)), ("refused_", sorted(load.refused_s))):
        figures |= {f"{kind}p{part}_ms": 1000 * took_s[len(took_s) * part // 100] if took_s else 0 for part in (50, 99)}
    return figures


def main() -> None:
    """Read the command line and the paths, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--once", action="store_true")
    given = parser.parse_args()
    paths = sys.stdin.read().split()
    order = iter(paths) if given.once else cycle(paths)
    print(json.dumps(run(given.host, given.port, order, given.connections, given.seconds)))


if __name__ == "__main__":
    main()
