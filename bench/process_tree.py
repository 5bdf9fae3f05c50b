"""What a process and all its descendants use."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """CPU seconds since the start, those of ended descendants included, and the memory of the tree in MiB.

    `pss_mib` counts each shared page once; `rss_mib` counts it for each process.
    """

    processes: int
    cpu_s: float
    rss_mib: float
    pss_mib: float


def measure(pid: int) -> Use:
    """Return what the tree of a process uses now."""
    stats = _stats()
    tree = [pid]
    for each in tree:  # grows meanwhile
        tree += [child for child, fields in stats.items() if int(fields[1]) == each]
    cpu = sum(int(ticks) for each in tree if each in stats for ticks in stats[each][11:15])  # utime to cstime, proc(5)
    rss, pss = map(sum, zip(*map(_memory_kib, tree), strict=True))
    return Use(len(tree), cpu / _TICKS, rss / 1024, pss / 1024)


def children_of(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started and not yet awaited."""
    return [child for child, fields in _stats().items() if int(fields[1]) == pid]


def _stats() -> dict[int, list[str]]:
    """Return the fields of /proc/PID/stat after the name, of every process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has exited
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
    return found


def _memory_kib(pid: int) -> tuple[int, int]:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        figures = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
        return figures["Rss"], figures["Pss"]
    return 0, 0
