"""Measure imaged and its peers, section after section: `make bench ARGS='misses hits'`; without names, all of them.

Each section starts its own servers on loopback and measures its sides in turn, so that whatever else the machine does
meets all of them. The median of the rounds counts, and that of the ratios of each round. Results are kept in
build/bench/results.json, and printed; `--publish` also writes them into docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import growth
import hits
import memory
import misses
import mixed
import page
import posts
import renders
import starts
import synthetic
from figures import Bench, Section

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"
SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    "misses": misses.measure,
    "hits": hits.measure,
    "mixed": mixed.measure,
    "posts": posts.measure,
    "starts": starts.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "renders": renders.measure,
}


def machine() -> str:
    """Return what this machine is."""
    cores = len(os.sched_getaffinity(0))
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(": ")[2] if models else platform.machine()
    return f"{time.strftime('%Y-%m-%d')}, {cores} cores of {model}, Python {platform.python_version()}."


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each side in each round")
    parser.add_argument("--picture", type=Path, help="the JPEG that outputs are made of; otherwise one is synthesised")
    parser.add_argument("--peer", action="append", default=[], help="NAME=URL of a server that runs: see peers.py")
    parser.add_argument("--many", type=int, default=100_000, help="files of a full store, jobs of a full queue")
    parser.add_argument("--no-install", action="store_true", help="leave out peers that are not installed")
    parser.add_argument("--publish", action="store_true", help="write the results into docs/performance.md")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for programs and results")
    given = parser.parse_args()
    if unknown := [name for name in given.sections if name not in SECTIONS]:
        parser.error(f"no such section: {', '.join(unknown)}")
    picture = given.picture.read_bytes() if given.picture else synthetic.synthesise()
    results = page.Results(given.folder / "results.json")
    for name in given.sections or SECTIONS:
        say(f"{name} …")
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            peers = dict(each.split("=", 1) for each in given.peer)
            how = (given.rounds, given.seconds, given.many)
            bench = Bench(*how, given.folder, Path(work), picture, peers, not given.no_install, say)
            section = SECTIONS[name](bench)
        results.keep(section, list(SECTIONS))
        say(f"{page.tables(section)}\n{name}: {time.monotonic() - began_s:.0f} s\n")
    if given.publish:
        page.publish(results.read(), machine(), ROOT / "docs" / "performance.md")
        import plot  # noqa: PLC0415  # matplotlib is only needed here

        plot.draw(results.read(), ROOT / "docs" / "performance.svg")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
