"""Reports the memory that Python holds, by the stacks that allocated it, with tracemalloc."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from collections.abc import Sequence

from imaged.core.errors import NotFoundError
from imaged.profiling.functions import Place, find_frames
from imaged.profiling.pprof import Profile, Sample, Unit

FRAMES = 4
"""How many calls of each stack tracemalloc keeps. A stored file takes 3 times the CPU time with one call, 5 times with
four and 25 times with 16 (Python 3.11), because tracemalloc looks up the line of each call at each allocation."""

UNITS = (Unit("inuse_objects", "count"), Unit("inuse_space", "bytes"))


class AllocationTracing:
    """Switches tracemalloc for the process; tracing that another program part began stays on."""

    def __init__(self) -> None:
        self._ours = False

    def switch(self, *, on: bool) -> None:
        """Begin to trace allocations, or stop and forget the traces. Returns at once where nothing changes."""
        if on and not tracemalloc.is_tracing():
            tracemalloc.start(FRAMES)
            self._ours = True
        elif not on and self._ours:
            tracemalloc.stop()
            self._ours = False


def heap(time_ns: int) -> Profile:
    """Return the current allocations. Blocks; no other thread runs Python while they are copied.

    Raises NotFoundError while tracing is off.
    """
    try:
        snapshot = tracemalloc.take_snapshot()
    except RuntimeError as error:
        raise NotFoundError("memory is not traced: set status.profile to true") from error
    # Snapshot.statistics() takes up to 20 microseconds for each block, since its own allocations are traced too. This
    # loop allocates nothing, and the sums are made in C. In these stacks, the innermost call comes first.
    sizes: dict[tuple[Place, ...], list[int]] = defaultdict(list)
    traces: Sequence[tuple[int, int, tuple[Place, ...], int]] = snapshot.traces._traces  # type: ignore[attr-defined]  # noqa: SLF001
    for _, size, stack, _ in traces:
        sizes[stack].append(size)
    frames = find_frames({place for stack in sizes for place in stack})
    samples = [Sample(tuple(frames[place] for place in stack), (len(each), sum(each))) for stack, each in sizes.items()]
    return Profile(
        units=UNITS,
        default="inuse_space",
        samples=samples,
        period_unit=UNITS[1],
        period=1,
        time_ns=time_ns,
        comments=(
            f"allocated by Python since tracing began; tracing holds {tracemalloc.get_tracemalloc_memory()} bytes",
            "without allocations of ImageMagick and other C libraries",
        ),
    )
