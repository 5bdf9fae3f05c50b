"""Hits: stored files of four sizes, from imaged, from nginx in front of it, and what they could cost at least."""

from __future__ import annotations

import secrets
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import loading
import nginx
from figures import Bench, Section, in_turn
from programs import Program, free_port
from servers import Server

from imaged.testing.pictures import make_jpeg

SIZES = {"4 kB": 4_000, "16 kB": 16_000, "100 kB": 100_000, "2 MB": 2_000_000}
CONNECTIONS = 16
BARE, PLAIN = "bare twisted.web, from memory", "plain nginx"


def measure(bench: Bench) -> Section:
    """Measure each size on each side in turn."""
    section = Section("hits", f"Hits: stored files, {CONNECTIONS} connections")
    files = bench.work / "files"
    files.mkdir()
    names = {size: f"w{number + 1}.jpg" for number, size in enumerate(SIZES)}
    for size, name in names.items():
        (files / name).write_bytes(secrets.token_bytes(SIZES[size]))
    with ExitStack() as stack:
        server = stack.enter_context(Server(bench.work / "imaged", []))
        home = server.put(make_jpeg(), "w40.jpg").rpartition("/")[0]
        for name in names.values():
            (server.store / home.lstrip("/") / name).write_bytes((files / name).read_bytes())
        sides = {"imaged": (server.public, home)}
        port = free_port()
        script = str(Path(__file__).with_name("bare_server.py"))
        bare = stack.enter_context(Program(bench.work / "bare", [sys.executable, script, str(files), str(port)], port))
        sides[BARE] = (bare.address, "")
        if nginx.program():
            plain = stack.enter_context(nginx.start_static(bench.work / "plain", files))
            sides[PLAIN] = (plain.address, "")
            front = stack.enter_context(nginx.start_front(bench.work / "front", server.public, server.store))
            sides["imaged behind nginx, with etc/nginx.conf"] = (front.address, home)
        else:
            section.notes.append("nginx was skipped: it is not installed.")

        def load(name: str, size: str, number: int) -> None:
            address, folder = sides[name]
            seen = loading.hit(address, f"{folder}/{names[size]}", CONNECTIONS, bench.seconds)
            if number:
                reference = PLAIN if "nginx" in name else BARE
                section.add(size, name, "requests/s", seen["per_s"], reference)
                section.add(size, name, "p99 ms", seen["p99_ms"], reference)

        for size in SIZES:
            bench.say(f"  {size}")
            in_turn(bench, {name: partial(load, name, size) for name in sides})
    section.notes.append(
        f"Ratios of nginx are to {PLAIN}, others to {BARE}. imaged and nginx log each request to a file."
    )
    return section
