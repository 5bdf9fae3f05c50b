"""Misses: outputs that no store has, from a JPEG of 6 megapixels over HTTP, two clients at a time."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from functools import partial

import loading
from figures import Bench, Section, in_turn
from peers import peer_sides
from process_tree import measure as measure_tree
from sides import KINDS, Kind, Side, chain, imaged_sides, processors

CLIENTS = 2
MOST_PER_S = 400
"""No side is faster."""


def cpu_s(side: Side) -> float:
    """Return the CPU time that all processes of a side have taken so far."""
    return measure_tree(side.pid).cpu_s if side.pid else 0


def measure(bench: Bench) -> Section:
    """Measure each output on each side in turn."""
    section = Section("misses", "Misses: outputs rendered for the request, two clients")
    with ExitStack() as stack:
        settings = {}
        for processor in processors(bench):
            settings[f"imaged, {processor}"] = [chain(processor)]
            settings[f"imaged, {processor}, progressive: false"] = [chain(processor), "images.progressive=false"]
        sides = [*imaged_sides(bench, stack, settings), *peer_sides(bench, stack, section)]
        for kind in KINDS:
            bench.say(f"  {kind.name}")
            for side in sides:
                side.check(kind)
            next_number = dict.fromkeys((side.name for side in sides), 0)
            load = partial(_load, bench, section, kind, next_number)
            in_turn(bench, {side.name: partial(load, side) for side in sides})
    section.notes.append(
        "CPU is that of all processes of a server for a request, in steps of 10 ms for a round. A ratio is to ipx with "
        "the same kind of JPEG; `images.progressive: auto`, the default, makes w1000.jpg progressive and x300.jpg not."
    )
    return section


def _load(bench: Bench, section: Section, kind: Kind, next_number: dict[str, int], side: Side, number: int) -> None:
    """Ask a side for outputs that are new to it, from its next number on, for a round; keep the figures."""
    first = next_number[side.name]
    paths = list(itertools.islice(side.paths(kind, first), int(MOST_PER_S * bench.seconds)))
    if not paths:
        return
    before_s = cpu_s(side)
    seen = loading.get(side.address, paths, CLIENTS, bench.seconds, once=True)
    next_number[side.name] = first + int(seen["answers"]) + CLIENTS
    if number:
        figures = {"requests/s": seen["per_s"], "p99 ms": seen["p99_ms"]}
        if side.pid:
            figures["CPU ms"] = 1000 * (cpu_s(side) - before_s) / seen["answers"]
        for unit, value in figures.items():
            section.add(kind.name, side.name, unit, value, side.reference(kind))
