"""Memory of all processes of a server, each shared page counted once: at rest, and under 200 requests for 24 MP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event, Thread

import loading
import synthetic
from figures import Bench, Section
from peers import THUMBOR, find_peers, write_originals
from process_tree import measure as measure_tree
from sides import IPX, Kind, Side, always, chain, imaged_sides, processors

REQUESTS = 200
ORIGINALS = 4
CALM_S = 3.0
PEERS = (IPX, THUMBOR)
"""image_filter takes minutes for so many pictures."""

KIND = Kind("w300.jpg", 300, 200, "jpeg")


def measure(bench: Bench) -> Section:
    """Measure one server after the other, once: memory does not depend on what else the machine does."""
    section = Section("memory", f"Memory: at rest, and while {REQUESTS} clients each want a 24 MP picture")
    large = replace(bench, picture=synthetic.tiled(bench.picture, synthetic.LARGE_SIZE))
    for processor in processors(bench):
        with ExitStack() as stack:
            settings = {f"imaged, {processor}": [chain(processor)]}
            (side,) = imaged_sides(replace(large, work=bench.work / f"{processor}-at-rest"), stack, settings, 0)
            _measure_rest(section, side)
        with ExitStack() as stack:
            (side,) = imaged_sides(replace(large, work=bench.work / processor), stack, settings, ORIGINALS)
            _measure_load(bench, section, side)
    root = write_originals(bench.work / "originals", large.picture, ORIGINALS)
    for number, peer in enumerate(find_peers(bench, section, PEERS)):
        with peer.start(bench.work / f"peer-{number}", root) as program:
            side = Side(peer.name, program.address, peer.path, always(peer.progressive), program.pid)
            _measure_rest(section, side)
            _measure_load(bench, section, side)
    return section


def _measure_rest(section: Section, side: Side) -> None:
    time.sleep(CALM_S)
    section.add("at rest", side.name, "MiB", measure_tree(side.pid or 0).pss_mib)


def _measure_load(bench: Bench, section: Section, side: Side) -> None:
    paths = [side.path(number % ORIGINALS, KIND, 25 + number // ORIGINALS) or "" for number in range(REQUESTS)]
    with watched(side.pid or 0) as memory_mib:
        seen = loading.get(side.address, paths, REQUESTS, 120, once=True)
    bench.say(f"  {side.name}: {seen['answers']:.0f} answers in {seen['elapsed_s']:.1f} s")
    section.add("at most", side.name, "MiB", max(memory_mib))
    section.add("afterwards", side.name, "MiB", measure_tree(side.pid or 0).pss_mib)


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """Measure the memory of a tree of processes five times a second while the block runs."""
    seen_mib, ending = [measure_tree(pid).pss_mib], Event()

    def watch() -> None:
        while not ending.wait(0.2):
            seen_mib.append(measure_tree(pid).pss_mib)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield seen_mib
    finally:
        ending.set()
        thread.join()
