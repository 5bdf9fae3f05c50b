"""What a metrics sink costs that raises, hangs, or whose server is down: throughput against none at all.

All daemons run all the time and are loaded in turn, a round each. What counts are the ratios.

    python bench/broken_sinks.py [--rounds 6] [--seconds 2]
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from servers import Server

from imaged.testing.pictures import make_jpeg

WRECK = Path(__file__).parents[1] / "tests" / "e2e" / "imaged_wreck.py"


def install(site: Path) -> None:
    """Put the sink that fails where daemons find it, as a distribution of its own."""
    about = site / "wreck-1.dist-info"
    about.mkdir(parents=True)
    shutil.copy(WRECK, site)
    (about / "entry_points.txt").write_text("[imaged]\nwreck = imaged_wreck\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wreck\nVersion: 1\n")
    os.environ["PYTHONPATH"] = str(site)


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        folder = Path(name)
        install(folder / "site")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refused = closed.getsockname()[1]
        kinds = {
            "none": ["metrics=[]"],
            "raises": ["metrics=[wreck]", "plugins.wreck.how=raise"],
            "hangs": ["metrics=[wreck]", "plugins.wreck.how=hang"],
            "statsd without a name": ["metrics=[statsd]", "plugins.statsd.host=nowhere.invalid"],
            "graphite refused": ["metrics=[graphite]", f"plugins.graphite.port={refused}"],
            "graphite that never reads": ["metrics=[graphite]", f"plugins.graphite.port={silent.getsockname()[1]}"],
        }
        servers = {
            kind: stack.enter_context(Server(folder / f"daemon-{number}", settings))
            for number, (kind, settings) in enumerate(kinds.items())
        }
        paths = {kind: server.put(make_jpeg(), "x30.jpg") for kind, server in servers.items()}
        seen: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for number in range(given.rounds + 1):  # the first warms up and does not count
            for kind, server in servers.items():
                result = server.load(paths[kind], 8, given.seconds)
                if number:
                    seen[kind].append(result)
    for kind, results in seen.items():
        ratios = [each["per_s"] / none["per_s"] for each, none in zip(results, seen["none"], strict=True)]
        p99_ms = statistics.median(each["p99_ms"] for each in results)
        print(f"{kind:26} {statistics.median(ratios):.3f} of the throughput without sinks, p99 {p99_ms:.1f} ms")


if __name__ == "__main__":
    main()
