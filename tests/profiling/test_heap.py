"""The memory profile has allocations by the functions that made them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from decoded import decode

from imaged.core.errors import NotFoundError
from imaged.profiling.functions import find_frames
from imaged.profiling.heap import FRAMES, AllocationTracing, heap
from imaged.profiling.pprof import Frame, encode


class HeapHarness:
    """Allocates memory in a method."""

    def fill(self) -> list[bytearray]:
        """Allocate a million bytes in ten blocks."""
        return [bytearray(100_000) for _ in range(10)]


def deep(calls: int) -> bytearray:
    """Allocate at the bottom of so many calls."""
    return bytearray(200_000) if calls == 0 else deep(calls - 1)


@pytest.fixture
def tracing() -> Iterator[AllocationTracing]:
    """Return a switch, and turn it off after the test."""
    tracing = AllocationTracing()
    yield tracing
    tracing.switch(on=False)
    assert not tracemalloc.is_tracing()


def test_held_memory_has_its_function(tracing: AllocationTracing) -> None:
    """The profile has bytes and blocks with the class and the module, and no freed memory."""
    tracing.switch(on=True)
    held = HeapHarness().fill()
    HeapHarness().fill()
    profile = decode(encode(heap(time_ns=5)))
    assert len(held) == 10
    assert profile.units == [("inuse_objects", "count"), ("inuse_space", "bytes")]
    assert (profile.default, profile.period, profile.time_ns) == ("inuse_space", ("inuse_space", "bytes", 1), 5)
    assert 1_000_000 <= profile.weight_of("test_heap.HeapHarness.fill", 1) < 1_100_000
    (calls,) = [calls for _, calls, values in profile.samples if values[1] >= 1_000_000]
    fill = HeapHarness.fill.__code__.co_firstlineno
    called = [call[0].rpartition("test_heap.")[2] for call in calls if call[1] == __file__]
    # the innermost first; a comprehension is a function of its own until Python 3.12
    assert called[-2:] == ["HeapHarness.fill", "test_held_memory_has_its_function"]
    assert [call[2:] for call in calls if call[0].endswith("HeapHarness.fill")][-1] == (fill + 2, fill)
    assert "ImageMagick" in profile.comments[1]


def test_stacks_are_cut_at_their_outer_end(tracing: AllocationTracing) -> None:
    """The outermost calls are left out."""
    tracing.switch(on=True)
    held = deep(2 * FRAMES)
    profile = decode(encode(heap(0)))
    (calls,) = [calls for _, calls, values in profile.samples if values[1] >= len(held)]
    assert {call[0].rpartition(".")[2] for call in calls} == {"deep"}
    assert len(calls) == FRAMES


def test_tracing_of_others_stays_on() -> None:
    """`python -X tracemalloc` began it, and its settings stay."""
    tracemalloc.start(1)
    try:
        tracing = AllocationTracing()
        tracing.switch(on=True)
        assert tracemalloc.get_traceback_limit() == 1
        tracing.switch(on=False)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_without_tracing_there_is_no_profile() -> None:
    """The error names the setting."""
    with pytest.raises(NotFoundError, match=r"set status\.profile to true"):
        heap(0)


def test_the_functions_of_lines_are_found() -> None:
    """A line of a comprehension belongs to the function around it, a line outside functions to the module."""
    line = HeapHarness.fill.__code__.co_firstlineno
    fill, top = (__file__, line + 2), (tracemalloc.__file__, 1)
    assert find_frames({fill, top, ("/nowhere/x.py", 3)}) == {
        fill: Frame(f"{__name__}.HeapHarness.fill", *fill, line),
        top: Frame("tracemalloc.<module>", *top),
        ("/nowhere/x.py", 3): Frame("x.py.<module>", "/nowhere/x.py", 3),
    }
