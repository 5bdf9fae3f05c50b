"""Starts: the daemon until its first answer, `imaged --help`, and a reload; peers until they accept connections."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from figures import Bench, Section, in_turn
from peers import THUMBOR, Peer, find_peers
from process_tree import measure as measure_tree
from renders import used_by
from servers import Server
from sides import IPX

COMMANDS = {"imaged --help": ["-m", "imaged", "--help"], "python -c pass": ["-c", "pass"]}


def measure(bench: Bench) -> Section:
    """Measure each in turn."""
    section = Section("starts", "Starts and reloads")
    with ExitStack() as stack:
        server = stack.enter_context(Server(bench.work / "reloaded", []))
        sides: dict[str, Callable[[int], tuple[float, float]]] = {
            "imaged: start to the first answer": partial(_start, bench),
            "imaged: reload": partial(_reload, server),
        }
        sides |= {name: partial(_command, arguments) for name, arguments in COMMANDS.items()}
        sides |= {
            f"{peer.name}: start": partial(_start_peer, bench, peer)
            for peer in find_peers(bench, section, (IPX, THUMBOR))
        }

        def add(name: str, number: int) -> None:
            cpu_s, wall_s = sides[name](number)
            if number:
                section.add("CPU, smallest", name, "seconds", cpu_s, smallest=True)
                section.add("time", name, "seconds", wall_s)

        in_turn(bench, {name: partial(add, name) for name in sides})
    section.notes.append(
        "CPU is that of all processes of a program, in steps of 10 ms. Peers start until their ports accept "
        "connections; ipx loads sharp later, for its first picture."
    )
    return section


def _start(bench: Bench, number: int) -> tuple[float, float]:
    began_s = time.perf_counter()
    with Server(bench.work / f"started-{number}", []) as server:
        urllib.request.urlopen(f"{server.public}/status_check", timeout=60).close()
        return measure_tree(server.pid).cpu_s, time.perf_counter() - began_s


def _start_peer(bench: Bench, peer: Peer, number: int) -> tuple[float, float]:
    began_s = time.perf_counter()
    with peer.start(bench.work / f"{peer.name.replace(' ', '-')}-{number}", bench.work) as program:
        return measure_tree(program.pid).cpu_s, time.perf_counter() - began_s


def _reload(server: Server, _: int) -> tuple[float, float]:
    before_s, began_s = measure_tree(server.pid).cpu_s, time.perf_counter()
    urllib.request.urlopen(f"{server.private}/reload", b"", timeout=60).close()
    wall_s = time.perf_counter() - began_s
    return measure_tree(server.pid).cpu_s - before_s, wall_s


def _command(arguments: list[str], _: int) -> tuple[float, float]:
    return used_by(lambda: _run([sys.executable, *arguments]))


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
