"""A POST with five outputs until all are stored, against five GETs of five copies of the original."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from contextlib import ExitStack
from functools import partial

from figures import Bench, Section, in_turn
from servers import Server
from sides import chain, processors

OUTPUTS = ("x100.jpg", "x300.jpg", "x300.webp", "w500.jpg", "w1000.jpg")
POST, GETS = "one POST with five outputs", "five GETs of five copies"
_PATIENCE_S = 60.0


def measure(bench: Bench) -> Section:
    """Measure both ways in turn, with each processor."""
    section = Section("posts", "One original with five outputs")
    with ExitStack() as stack:
        for processor in processors(bench):
            server = stack.enter_context(Server(bench.work / processor, [chain(processor)]))

            def add(side: str, number: int, server: Server = server, processor: str = processor) -> None:
                seconds = _post(server, bench.picture) if side == POST else _get(server, bench.picture)
                if number:
                    section.add(processor, side, "seconds", seconds, GETS)

            in_turn(bench, {side: partial(add, side) for side in (POST, GETS)})
    section.notes.append("The POST includes sending and storing the original, which the GETs have behind them.")
    return section


def _send(server: Server, picture: bytes, query: str = "") -> str:
    """Post a copy that the daemon does not know. Return its path."""
    with urllib.request.urlopen(f"{server.public}/p{query}", picture + secrets.token_bytes(8), timeout=60) as answer:
        return f"/p/{json.load(answer)['partitionedHash']}"


def _post(server: Server, picture: bytes) -> float:
    began_s = time.perf_counter()
    home = _send(server, picture, f"?outputs={','.join(OUTPUTS)}")
    files = [server.store / home.lstrip("/") / name for name in OUTPUTS]
    while files:
        if files[-1].exists():  # files appear under their names when they are complete
            files.pop()
        elif time.perf_counter() - began_s > _PATIENCE_S:
            raise RuntimeError(f"{files[-1]} was not stored: {server.log_text[-2000:]}")
        else:
            time.sleep(0.001)
    return time.perf_counter() - began_s


def _get(server: Server, picture: bytes) -> float:
    homes = [_send(server, picture) for _ in OUTPUTS]
    began_s = time.perf_counter()
    for home, name in zip(homes, OUTPUTS, strict=True):
        with urllib.request.urlopen(f"{server.public}{home}/{name}", timeout=60) as answer:
            answer.read()
    return time.perf_counter() - began_s
