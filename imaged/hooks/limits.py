"""What the machine, and the control group that a container or a unit is, let this process use: cores and memory.

Both versions of control groups are read (cgroups(7)). A limit of any group on the path to ours holds; in a container
that sees its own group as the root, that is the only one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_NO_LIMIT_BYTES = 2**60  # version 1 writes one near 2**63 where there is none


def cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may keep busy: those that it may run on, or its quota of time if less.

    A part of a core counts as one: a thread that waits for its share beats a share that nobody uses.
    """
    quotas = [quota for folder in _groups(root, "cpu") if (quota := _quota(folder)) is not None]
    # illumos does not tell which cores a process may run on
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([own, *quotas])))


def memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory that this process may use: that of the machine, or the lowest limit of its groups."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            (limit,) = _numbers(folder / name, 1) or (None,)
            if limit is not None and 0 < limit < _NO_LIMIT_BYTES:
                found.append(int(limit))
    return min(found)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of our groups that have a controller, and of those around them, as far as they can be seen."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        inner = PurePosixPath(path.lstrip("/"))
        if ".." in inner.parts:  # a group beside the one that this container sees as the root
            inner = PurePosixPath()
        yield from (mount / each for each in (inner, *inner.parents))


def _quota(folder: Path) -> float | None:
    """Return the cores' worth of time that a group may use, or None for no limit."""
    numbers = _numbers(folder / "cpu.max", 2)
    if numbers is None and (quota := _numbers(folder / "cpu.cfs_quota_us", 1)):
        period = _numbers(folder / "cpu.cfs_period_us", 1)
        numbers = (*quota, *period) if period else None
    if numbers is None or numbers[0] <= 0 or numbers[1] <= 0:
        return None
    return numbers[0] / numbers[1]


def _numbers(path: Path, count: int) -> tuple[float, ...] | None:
    """Return the numbers that a file holds; None where it is not there or says that there is no limit."""
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
