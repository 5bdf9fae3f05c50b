"""What it costs to be seen: the throughput of stored outputs with every metric and log on, against all off.

Both daemons run all the time and are loaded in turn, a round each, so that whatever else the machine does meets both.
What counts is the ratio of the two, not their figures.

    python bench/observing.py [--rounds 20] [--seconds 1]
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import threading
from pathlib import Path

from servers import Server

from imaged.testing.pictures import make_jpeg

SINKS = ("prometheus", "statsd", "graphite")
OFF = ("metrics=[]", "log.access=false")


def all_on(folder: Path, statsd_port: int, carbon_port: int) -> list[str]:
    """Return the settings that have everything on; what the sinks send goes to these ports."""
    return [
        f"metrics=[{', '.join(SINKS)}]",
        f"plugins.statsd.port={statsd_port}",
        f"plugins.graphite.port={carbon_port}",
        "status.timing_header=true",
        f"log.access_path={folder}/access",
    ]


def drain(listener: socket.socket) -> None:
    """Take what comes and throw it away, as StatsD and carbon would; ends with the process."""

    def take() -> None:
        taking = listener
        if listener.type == socket.SOCK_STREAM:
            taking, _ = listener.accept()
        while taking.recv(1 << 16):
            pass

    threading.Thread(target=take, daemon=True).start()


def main() -> None:
    """Measure, and print each round and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=8)
    given = parser.parse_args()
    statsd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    statsd.bind(("127.0.0.1", 0))
    carbon = socket.create_server(("127.0.0.1", 0))
    for each in (statsd, carbon):
        drain(each)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        on = all_on(folder, statsd.getsockname()[1], carbon.getsockname()[1])
        with Server(folder / "off", OFF) as off_server, Server(folder / "on", on) as on_server:
            servers = {"off": off_server, "on": on_server}
            paths = {kind: server.put(make_jpeg(), "x30.jpg") for kind, server in servers.items()}
            seen: dict[str, list[float]] = {kind: [] for kind in servers}
            for number in range(given.rounds + 1):  # the first warms up and does not count
                for kind in ("off", "on") if number % 2 else ("on", "off"):
                    result = servers[kind].load(paths[kind], given.connections, given.seconds)
                    if number:
                        seen[kind].append(result["per_s"])
                        say(f"round {number:2}  {kind:3}  {result['per_s']:7.0f}/s  p99 {result['p99_ms']:6.2f} ms")
    ratios = [on / off for on, off in zip(seen["on"], seen["off"], strict=True)]
    say(f"median  off {statistics.median(seen['off']):.0f}/s  on {statistics.median(seen['on']):.0f}/s")
    say(f"on/off of each round: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
