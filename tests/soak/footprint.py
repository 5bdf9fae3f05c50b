"""What a daemon and all its descendants take of the machine, read from /proc and from its folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Footprint:
    """The resources of a daemon with its descendants. A page that processes share counts once (PSS, see proc(5))."""

    memory_kib: int
    descriptors: int
    threads: int
    processes: int
    temporary_files: int

    def exceeding(self, before: Footprint, tolerance: float) -> list[str]:
        """Return what is larger than before by more than this part of it."""
        return [
            each.name
            for each in fields(self)
            if getattr(self, each.name) > getattr(before, each.name) * (1 + tolerance)
        ]

    def peak(self, other: Footprint) -> Footprint:
        """Return the larger of each two figures."""
        return Footprint(*(max(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)))


def measure(root: int, *folders: Path) -> Footprint:
    """Measure the descendants of a process, without itself, and count the files in these folders.

    A process that ends meanwhile does not count. A process that has ended, and that its parent does not await, does:
    unless the parent is `root`.
    """
    weighed = [each for pid in descendants(root) if (each := _weigh(pid)) is not None]
    memory, descriptors, threads = (sum(column) for column in zip(*weighed, strict=True)) if weighed else (0, 0, 0)
    files = sum(len(names) for folder in folders for _, _, names in os.walk(folder))
    return Footprint(memory, descriptors, threads, len(weighed), files)


def descendants(root: int) -> list[int]:
    """Return the ids of all descendants of a process, without those of its own children that it only has to await."""
    parents, ended = {}, set()
    for pid, parent, state in _processes():
        parents[pid] = parent
        if state == "Z" and parent == root:
            ended.add(pid)
    found, new = set[int](), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        found |= new
    return sorted(found - ended)


def _processes() -> Iterator[tuple[int, int, str]]:
    """Yield the id, the parent and the state of each process."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended
                state, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), int(parent), state


def _weigh(pid: int) -> tuple[int, int, int] | None:
    """Return the memory in KiB, the descriptors and the threads of a process, or None when it is gone."""
    try:
        shares = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        descriptors, threads = (sum(1 for _ in (PROC / str(pid) / each).iterdir()) for each in ("fd", "task"))
    except ProcessLookupError:  # it has ended, and waits for its parent
        return (0, 0, 1) if (PROC / str(pid)).exists() else None
    except FileNotFoundError:
        return None
    memory = next((int(line.split()[1]) for line in shares if line.startswith("Pss:")), 0)
    return memory, descriptors, threads
