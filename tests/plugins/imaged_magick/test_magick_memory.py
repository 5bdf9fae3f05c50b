"""Freed memory returns to the system after heavy renders."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from imaged.api import GIF, ImageFacts, RenderJob, Size
from imaged.core.outputs import parse
from imaged.testing.processors import make_variant
from imaged_magick.bounds import is_heavy
from imaged_magick.memory import trim_heap

_BLOCK_BYTES = 100_000  # too small for mmap
_PAGE_BYTES = 4096


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only the C library of GNU keeps memory back")
@pytest.mark.parametrize(("heavy", "blocks", "kept"), [(True, 1000, False), (False, 1000, True), (True, 100, True)])
def test_the_heap_is_trimmed_after_heavy_work(heavy: bool, blocks: int, kept: bool) -> None:  # noqa: FBT001 -- a table
    """Memory that a thread freed below memory still in use returns to the system after heavy work, if it is much."""
    program = f"import test_magick_memory as here; here.check_heap({heavy}, {blocks}, {kept})"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent, timeout=60)


def check_heap(heavy: bool, count: int, kept: bool) -> None:  # noqa: FBT001 -- a table
    """Check that the process keeps freed memory, or not. In a process of its own, which has not grown before."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    figures: list[int] = []

    def work() -> None:
        with trim_heap(heavy=heavy):
            blocks = [libc.malloc(_BLOCK_BYTES) for _ in range(count)]
            for block in blocks:
                ctypes.memset(block, 1, _BLOCK_BYTES)
            figures.append(resident_bytes())
            for block in blocks[:-1]:
                libc.free(block)
        figures.append(resident_bytes())
        libc.free(blocks[-1])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    full, after = figures
    assert (full - after < _BLOCK_BYTES * count // 2) is kept


@pytest.mark.parametrize(
    ("side_px", "frames", "name", "heavy"),
    [
        (1000, 1, "w40.gif", False),
        (4000, 1, "w40.gif", True),
        (70, 3000, "w40.gif", True),
        (70, 3000, "w40.jpg", False),
    ],
)
def test_the_decoded_pixels_make_work_heavy(side_px: int, frames: int, name: str, heavy: bool) -> None:  # noqa: FBT001 -- a table
    """A large picture is heavy, and so is a long animation whose variant keeps all frames."""
    variant = make_variant(parse(name))
    facts = ImageFacts(GIF, Size(side_px, side_px), frames)
    assert is_heavy(RenderJob(Path("original"), facts, (variant,), 30, 50_000_000)) is heavy
