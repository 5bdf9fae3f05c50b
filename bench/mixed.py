"""A mixed load: requests whose popularity follows Zipf's law, on stores that begin empty."""

from __future__ import annotations

import random
from contextlib import ExitStack
from functools import partial

import loading
from figures import Bench, Section, in_turn
from peers import peer_sides
from sides import IPX, KINDS, ORIGINALS, QUALITIES, Side, chain, imaged_sides, processors

CONNECTIONS = 16
REQUESTS = 400


def measure(bench: Bench) -> Section:
    """Have each side answer the same requests in turn; the outputs of each round are new."""
    section = Section("mixed", f"Mixed: {REQUESTS} requests by Zipf's law for new outputs, {CONNECTIONS} connections")
    with ExitStack() as stack:
        settings = {f"imaged, {processor}": [chain(processor)] for processor in processors(bench)}
        sides = imaged_sides(bench, stack, settings)
        sides += peer_sides(bench, stack, section, (IPX,))
        outputs = [(number, kind) for number in range(ORIGINALS) for kind in KINDS]

        def load(side: Side, number: int) -> None:
            chance = random.Random(number)  # noqa: S311  # every side gets the same requests
            chance.shuffle(outputs := [*all_outputs])
            weights = [1 / rank for rank in range(1, len(outputs) + 1)]
            chosen = chance.choices(outputs, weights, k=REQUESTS)
            paths = [side.path(original, kind, 75 + QUALITIES[number]) or "" for original, kind in chosen]
            seen = loading.get(side.address, paths, CONNECTIONS, 60, once=True)
            if number:
                section.add("requests/s", side.name, "", seen["per_s"], IPX)
                section.add("p50 ms", side.name, "", seen["p50_ms"])
                section.add("p99 ms", side.name, "", seen["p99_ms"])

        all_outputs = tuple(outputs)
        in_turn(bench, {side.name: partial(load, side) for side in sides})
    section.notes.append(
        "imaged stores what it renders; the others render each time, since a cache in front is left out."
    )
    return section
