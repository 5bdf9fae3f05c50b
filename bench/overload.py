"""What readers of stored outputs see while 200 clients ask for more new outputs than the daemon can render.

A daemon for each kind of `render.isolation`, one after the other. Four clients read a stored output, first alone, then
beside the crowd. The memory is that of the daemon and its workers, each shared page counted once.

    python bench/overload.py [--clients 200] [--seconds 10] [--settings render.queue=100]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import loading
from isolation import KINDS, say
from memory import watched
from process_tree import measure
from servers import Server
from synthetic import synthesise

READERS = 4
CALM_S = 10.0


def busy(server: Server) -> int:
    """Return how many renders run or wait."""
    with urllib.request.urlopen(f"{server.private}/status.json", timeout=60) as answer:
        status: dict[str, Any] = json.load(answer)
    return int(status["processing"]["busy"] + status["processing"]["waiting"])


def overload(server: Server, clients: int, seconds: float) -> None:
    """Measure one daemon, and print what was seen."""
    stored = server.put(synthesise(), "w40.jpg")
    alone = server.load(stored, READERS, seconds / 2)
    home = stored.rpartition("/")[0]
    names = [f"{home}/w{width}-q{quality}.jpg" for width in range(300, 400) for quality in range(1, 101)]
    with watched(server.pid) as memory_mib, ThreadPoolExecutor(1) as pool:
        crowd = pool.submit(loading.get, server.public, names, clients, seconds + 2, once=True)
        time.sleep(1)
        beside = server.load(stored, READERS, seconds)
        seen = crowd.result()
        left = busy(server)
        time.sleep(CALM_S)
        calm, still = measure(server.pid), busy(server)
    for name, reads in (("alone", alone), ("beside the crowd", beside)):
        say(
            f"  {READERS} readers {name:17} p50 {reads['p50_ms']:6.2f} ms, p99 {reads['p99_ms']:6.2f} ms, "
            f"{reads['per_s']:5.0f}/s"
        )
    say(f"  new outputs: {seen['answers']}, p50 {seen['p50_ms']:.0f} ms, p99 {seen['p99_ms']:.0f} ms")
    say(
        f"  refusals: {seen['refused']}, p50 {seen['refused_p50_ms']:.1f} ms, p99 {seen['refused_p99_ms']:.1f} ms, "
        f"Retry-After up to {seen['longest_retry_s']} s"
    )
    before_mib, most_mib = memory_mib[0], max(memory_mib)
    say(f"  memory: {before_mib:.0f} MiB before, {most_mib:.0f} MiB at most, {calm.pss_mib:.0f} MiB afterwards")
    say(f"  renders that run or wait: {left} at the end, {still} after {CALM_S:.0f} s")


def main() -> None:
    """Measure each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--settings", nargs="*", default=[])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS:
            say(kind)
            settings = [f"render.isolation={kind}", "images.maximum_outputs=100000", *given.settings]
            with Server(Path(name) / kind, settings) as server:
                overload(server, given.clients, given.seconds)


if __name__ == "__main__":
    main()
