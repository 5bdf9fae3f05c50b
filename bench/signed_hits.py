"""What a signature costs a stored output, and what 100,000 wrong ones leave behind: `python bench/signed_hits.py`.

CPU of the daemon for each request, the smallest of several rounds in turn, and its memory before and after the wrong
ones.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time
import urllib.request
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import loading
from servers import Server

from imaged.core.signatures import read_message, sign
from imaged.testing.pictures import make_jpeg

KEY, OLD = "first-key-0123456789", "second-key-0123456789"


def cpu_ns(pid: int) -> int:
    """Return the CPU time that all threads of a process have used."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def rss_bytes(pid: int) -> int:
    """Return the memory of a process, without its workers."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def signed(path: str, expires: int | None = None, key: str = KEY) -> str:
    """Return a signed URL."""
    expiry = None if expires is None else str(expires)
    return f"{path}?s={sign(key, read_message(path, expiry))}" + ("" if expiry is None else f"&e={expiry}")


def refuse(address: str, path: str, first: int, count: int) -> None:
    """Ask with that many different wrong signatures, on one connection."""
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port)) as connection, connection.makefile("rb") as answers:
        for number in range(first, first + count):
            connection.sendall(f"GET {path}?s={number:022} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, length = answers.readline(), 0
            if b" 403 " not in status:
                raise RuntimeError(f"the answer is not 403: {status!r}")
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)


def main() -> None:
    """Measure the kinds of requests in turn, then the wrong signatures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--wrong", type=int, default=100_000)
    options = parser.parse_args()
    settings = ["images.allowed_outputs=[w40.jpg]", f"access.signing_keys=[{KEY}, {OLD}]", "log.access=false"]
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "imaged", settings) as server:
        home = server.put(make_jpeg(), "w40.jpg").rpartition("/")[0]
        listed, other = f"{home}/w40.jpg", f"{home}/w41.jpg"
        urllib.request.urlopen(server.public + signed(other)).read()
        time.sleep(1)  # until it is stored
        targets = {
            "listed": listed,
            "listed, with ?v=1": f"{listed}?v=1",
            "signed": signed(other),
            "signed by the second key": signed(other, key=OLD),
            "signed, with a time of expiry": signed(other, int(time.time()) + 86_400),
        }
        loads = {
            name: partial(loading.hit, server.public, target, 16, options.seconds) for name, target in targets.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in loads}
        for _ in range(options.rounds):
            for name, load in loads.items():
                before_ns = cpu_ns(server.pid)
                answers = load()["answers"]
                taken[name].append((cpu_ns(server.pid) - before_ns) / answers / 1000)
        for name, each in taken.items():
            print(f"{min(each):7.1f} us  {name}")
        refuse(server.public, other, 0, 2000)
        before_bytes, before_ns = rss_bytes(server.pid), cpu_ns(server.pid)
        refuse(server.public, other, 2000, options.wrong)
        spent_us = (cpu_ns(server.pid) - before_ns) / options.wrong / 1000
        print(f"{spent_us:7.1f} us  wrong signature, on one connection")
        grown = rss_bytes(server.pid) - before_bytes
        print(f"{options.wrong} wrong signatures: memory {before_bytes / 1e6:.2f} MB, then {grown / 1e3:+.0f} kB")


if __name__ == "__main__":
    main()
