"""`make soak`: mixed traffic on a real daemon for minutes; afterwards it takes no more of the machine than before."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from daemon import Daemon, until
from footprint import Footprint, measure
from mixed_traffic import CLIENTS, MixedTraffic
from processes import adopt_orphans

TOLERANCE = 0.1
WARM_UP = 0.1
"""The part of the time before the first measurement: caches fill."""

CROWD, CROWD_S = 40, 3.0
"""So many clients for so long make every pool start its threads, which stay."""

RELOAD_EVERY_S = 20.0
CALM_S = 60.0
"""How long after the last request the daemon may still take more than before."""

NAMES = {"memory_kib": "memory, KiB"}


@dataclass(frozen=True)
class Soak:
    """The result of a soak."""

    traffic: MixedTraffic
    before: Footprint
    peak: Footprint
    after: Footprint
    events: str

    def faults(self, tolerance: float = TOLERANCE) -> list[str]:
        """Return what clients should not have seen, and what the daemon did not give back."""
        grown = self.after.exceeding(self.before, tolerance)
        return [*self.traffic.faults, *(f"{each} grew by more than {tolerance:.0%}" for each in grown)]

    def __str__(self) -> str:
        """Return the table and the counts."""
        rows = [("", "before", "peak", "after")]
        rows += [
            (
                NAMES.get(name, name.replace("_", " ")),
                *(f"{getattr(at, name):,}" for at in (self.before, self.peak, self.after)),
            )
            for name in (each.name for each in fields(Footprint))
        ]
        table = "\n".join(f"{name:<18}{before:>12}{peak:>12}{after:>12}" for name, before, peak, after in rows)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.traffic.kinds.items()))
        return f"{table}\n\n{kinds}\n{self.events}\n{self.traffic.tally}"


def soak(folder: Path, seconds: float, settings: str = "") -> Soak:
    """Run a daemon in an empty folder, with traffic for so many seconds; reload it, and replace it once."""
    adopt_orphans()
    temporary = folder / "tmp"
    temporary.mkdir()
    daemon = Daemon(folder, settings, environ={"TMPDIR": str(temporary)})

    def footprint() -> Footprint:
        return measure(os.getpid(), temporary, daemon.store / ".incoming")

    daemon.start()
    try:
        for clients, for_s in ((CROWD, CROWD_S), (CLIENTS, seconds * WARM_UP)):
            with MixedTraffic(daemon, clients):
                time.sleep(for_s)
        before = calm(daemon, footprint)
        peak, reloads, replaced = before, 0, False
        reload_every_s = min(RELOAD_EVERY_S, seconds / 3)
        with MixedTraffic(daemon, CLIENTS) as traffic:
            began_s = time.monotonic()
            while (elapsed_s := time.monotonic() - began_s) < seconds:
                time.sleep(0.5)
                peak = peak.peak(footprint())
                if elapsed_s > seconds / 2 and not replaced:
                    replaced = replace(daemon)
                elif elapsed_s > (reloads + 1) * reload_every_s:
                    reloads += 1
                    assert daemon.hup()["ok"]
        after = calm(daemon, footprint, before)
        events = f"{seconds:g} s, {reloads} reloads, {int(replaced)} handover"
        return Soak(traffic, before, peak, after, events)
    finally:
        daemon.stop()


def calm(daemon: Daemon, footprint: Callable[[], Footprint], before: Footprint | None = None) -> Footprint:
    """Wait until nothing is in flight, and for what was before; return the footprint then."""
    until(lambda: idle(daemon), daemon, CALM_S)
    end_s = time.monotonic() + CALM_S
    while (now := footprint()) and time.monotonic() < end_s:
        if before is not None and not now.exceeding(before, TOLERANCE):
            break
        if before is None and now.temporary_files == 0:
            break
        time.sleep(0.5)
    return now


def idle(daemon: Daemon) -> bool:
    """Say whether no request, no render and no job is in flight."""
    status = daemon.status()
    counts = [status[each]["current"] for each in ("processing", "downloads", "posting", "uploads", "promised")]
    return not any(counts) and not status["promised"]["queued"] and not status["uploads"]["queued"]


def replace(daemon: Daemon) -> bool:
    """Replace the process by SIGUSR2, as an upgrade does."""
    before = daemon.pid
    os.kill(before, signal.SIGUSR2)
    until(lambda: daemon.pid != before, daemon)
    return True


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder, which is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="imaged-soak-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Print the table; return 1 when a client saw a fault or the daemon grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--isolation", choices=["process", "thread"], default="process")
    options = parser.parse_args()
    with scratch() as folder:
        result = soak(folder, options.seconds, f"render: {{isolation: {options.isolation}}}\n")
    faults = result.faults()
    sys.stdout.write("\n".join([str(result), "", *faults, "FAILED" if faults else "passed", ""]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
