"""The cores and the memory that this process may use, by the machine and its control groups.

Reads both versions of control groups (cgroups(7)). The limits of every group on the path to ours hold; a container that
sees its own group as the root has only that one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_NO_LIMIT_BYTES = 2**60  # version 1 writes a number near 2**63 for no limit


def cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: those of its affinity, or its CPU quota if that is less.

    A quota is rounded up: a thread that waits for its share is better than an unused share.
    """
    quotas = [quota for folder in _groups(root, "cpu") if (quota := _quota(folder)) is not None]
    # illumos has no affinity
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([own, *quotas])))


def memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory that this process may use: the machine's, or the lowest limit of its groups."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            (limit,) = _numbers(folder / name, 1) or (None,)
            if limit is not None and 0 < limit < _NO_LIMIT_BYTES:
                found.append(int(limit))
    return min(found)


def memory_kills(root: Path = Path("/")) -> int | None:
    """Return how often the kernel has killed a process of our group for memory; None where it does not count that."""
    counts = [folder / name for folder in _groups(root, "memory") for name in ("memory.events", "memory.oom_control")]
    for path in (*counts, root / "proc/vmstat"):
        for line in _read(path).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of our groups with a controller, and of their visible parents."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        inner = PurePosixPath(path.lstrip("/"))
        if ".." in inner.parts:  # a group outside the one that this container sees as the root
            inner = PurePosixPath()
        yield from (mount / each for each in (inner, *inner.parents))


def _quota(folder: Path) -> float | None:
    """Return a group's CPU quota in cores, None for no limit."""
    numbers = _numbers(folder / "cpu.max", 2)
    if numbers is None and (quota := _numbers(folder / "cpu.cfs_quota_us", 1)):
        period = _numbers(folder / "cpu.cfs_period_us", 1)
        numbers = (*quota, *period) if period else None
    if numbers is None or numbers[0] <= 0 or numbers[1] <= 0:
        return None
    return numbers[0] / numbers[1]


def _numbers(path: Path, count: int) -> tuple[float, ...] | None:
    """Return the numbers in a file, None if it is missing or sets no limit."""
    words = _read(path).split()
    try:
        return tuple(float(word) for word in words) if len(words) == count else None
    except ValueError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
