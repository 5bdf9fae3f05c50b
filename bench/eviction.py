"""How near the store comes to a true LRU: the policy of `imaged/core/eviction.py` on Zipf traces, without a disk.

Each line has the hits by requests and by bytes, and the hits for each forgotten byte, all as a share of those of a true
LRU; then files looked at for each that is forgotten, and last uses that are written, for each hit.
"""

from __future__ import annotations

import argparse
import random
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from imaged.core.eviction import HASHES, MOST_FILES, Lifetimes, Oldest, Slices

OUTPUTS = 10
"""How many outputs each picture has."""

REQUESTS_PER_S = 20.0

BEGIN, END = 0.99, 0.98
"""The parts of its bound where a store begins to forget, and ends; a true LRU uses all of it."""


@dataclass
class Result:
    """Counts of the second half of a trace, when the store is full."""

    hits: int = 0
    hit_bytes: int = 0
    forgotten: int = 0
    forgotten_bytes: int = 0
    seen: int = 0
    touched: int = 0

    @property
    def hits_per_byte(self) -> float:
        """The hits for each byte that was forgotten and so has to be rendered again."""
        return self.hits / max(1, self.forgotten_bytes)


@dataclass(frozen=True)
class Trace:
    """Requests for files, by number; file n is an output of picture n // OUTPUTS."""

    sizes: Sequence[int]
    requests: Sequence[int]
    capacity_bytes: int


def draw_trace(files: int, requests: int, skew: float, part: float, seed: int) -> Trace:
    """Return a trace by Zipf's law for a store that holds a part of all bytes. Sizes are log-normal, about 20 kB."""
    draw = random.Random(seed)  # noqa: S311  # a simulation
    sizes = [int(min(2e6, max(500.0, draw.lognormvariate(9.8, 1)))) for _ in range(files)]
    numbers = list(range(files))
    draw.shuffle(numbers)
    weights = list(accumulate(rank**-skew for rank in range(1, files + 1)))
    return Trace(sizes, draw.choices(numbers, cum_weights=weights, k=requests), int(part * sum(sizes)))


def true_lru(trace: Trace) -> Result:
    """Forget exactly the least recently used files."""
    result, used_bytes = Result(), 0
    kept = OrderedDict[int, None]()
    for number, file in enumerate(trace.requests):
        counts, size_bytes = number >= len(trace.requests) // 2, trace.sizes[file]
        if file in kept:
            kept.move_to_end(file)
            if counts:
                result.hits += 1
                result.hit_bytes += size_bytes
            continue
        kept[file] = None
        used_bytes += size_bytes
        while used_bytes > trace.capacity_bytes:
            oldest, _ = kept.popitem(last=False)
            used_bytes -= trace.sizes[oldest]
            if counts:
                result.forgotten += 1
                result.forgotten_bytes += trace.sizes[oldest]
    return result


class Sampled:
    """A store that forgets as imaged does. `touch_after_s` says when a last use is written again."""

    def __init__(self, trace: Trace, touch_after_s: Callable[[Lifetimes], float], seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311  # a simulation
        pictures = -(-len(trace.sizes) // OUTPUTS)
        self.trace = trace
        self.touch_after_s = touch_after_s
        self.hashes = sorted(draw.randrange(HASHES) for _ in range(pictures))
        self.uses: list[dict[int, float]] = [{} for _ in range(pictures)]
        self.slices, self.oldest, self.lifetimes = Slices(draw.randrange(HASHES)), Oldest[int](), Lifetimes()
        self.used_bytes = 0
        self.counts = False
        self.result = Result()

    def run(self) -> Result:
        """Serve every request of the trace."""
        for number, file in enumerate(self.trace.requests):
            self.counts = number >= len(self.trace.requests) // 2
            self._serve(file, number / REQUESTS_PER_S)
        return self.result

    def _serve(self, file: int, now_s: float) -> None:
        uses, size_bytes = self.uses[file // OUTPUTS], self.trace.sizes[file]
        if file in uses:
            touches = now_s - uses[file] >= self.touch_after_s(self.lifetimes)
            if touches:
                uses[file] = now_s
            if self.counts:
                self.result.hits += 1
                self.result.hit_bytes += size_bytes
                self.result.touched += touches
            return
        uses[file] = now_s
        self.used_bytes += size_bytes
        if self.used_bytes > BEGIN * self.trace.capacity_bytes:
            while self.used_bytes > END * self.trace.capacity_bytes:
                self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        sample: dict[int, float] = {}
        for first, last in self.slices.next():
            index = bisect_left(self.hashes, int(first, 16))
            while index < len(self.hashes) and self.hashes[index] <= int(last, 16):
                if len(sample) < MOST_FILES:
                    sample.update(self.uses[index])
                index += 1
        self.slices.adapt(len(sample))
        self.oldest.offer(sample)
        if self.counts:
            self.result.seen += len(sample)
        for file, used_s in self.oldest.take_due().items():
            uses, size_bytes = self.uses[file // OUTPUTS], self.trace.sizes[file]
            if self.used_bytes <= END * self.trace.capacity_bytes or uses.get(file) != used_s:
                continue
            del uses[file]
            self.used_bytes -= size_bytes
            self.lifetimes.add(now_s - used_s)
            if self.counts:
                self.result.forgotten += 1
                self.result.forgotten_bytes += size_bytes


POLICIES: dict[str, Callable[[Lifetimes], float]] = {
    "as imaged": lambda lifetimes: lifetimes.touch_after_s,
    "each use is written": lambda _: 0.0,
    "no use is written": lambda _: float("inf"),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000, help="outputs of all pictures")
    parser.add_argument("--requests", type=int, default=300_000)
    parser.add_argument("--part", type=float, default=0.1, help="the part of all bytes that the store may hold")
    parser.add_argument("--skews", type=float, nargs="*", default=[0.7, 0.9, 1.1], help="exponents of Zipf's law")
    asked = parser.parse_args()
    for skew in asked.skews:
        trace = draw_trace(asked.files, asked.requests, skew, asked.part, seed=1)
        exact = true_lru(trace)
        print(f"Zipf {skew:g}: a true LRU hits {exact.hits / (asked.requests / 2):.1%} of requests")
        for name, touch_after_s in POLICIES.items():
            got = Sampled(trace, touch_after_s, seed=2).run()
            print(
                f"  {name:20} hits {got.hits / exact.hits:.4f}, bytes {got.hit_bytes / exact.hit_bytes:.4f}, "
                f"hits per forgotten byte {got.hits_per_byte / exact.hits_per_byte:.4f}; "
                f"{got.seen / max(1, got.forgotten):.1f} looked at, {got.touched / max(1, got.hits):.2f} written"
            )


if __name__ == "__main__":
    main()
