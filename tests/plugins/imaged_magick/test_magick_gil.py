"""Readers of containers yield the GIL to other threads."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp
from imaged_magick.gif_reader import read_gif
from imaged_magick.jpeg_reader import read_segments
from imaged_magick.png_reader import strip_png, write_chunk
from imaged_magick.webp_reader import read_webp

GIF, WEBP, PNG, JPEG = make_gif(2), make_webp(2), make_png(), make_jpeg()
FRAME = GIF[GIF.rindex(b"\x21\xf9") : -1]
FRAMES = WEBP[12:] + 9_990 * WEBP[WEBP.rindex(b"ANMF") :]
LONG: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "GIF of many frames": (read_gif, GIF[:-1] + 9_990 * FRAME),
    "GIF of many blocks": (read_gif, GIF[:-1] + b"\x21\xfe" + 400_000 * b"\x01x" + b"\x00;"),
    "WebP of many frames": (read_webp, WEBP[:4] + (len(FRAMES) + 4).to_bytes(4, "little") + b"WEBP" + FRAMES),
    "PNG of many chunks": (strip_png, PNG[:33] + 50_000 * write_chunk(b"aBCd", b"") + PNG[33:]),
    "JPEG of many segments": (read_segments, JPEG[:2] + 50_000 * b"\xff\xfe\x00\x02" + JPEG[2:]),
}


@pytest.fixture
def no_switching() -> Iterator[None]:
    """Make the switch interval longer than the test: a thread keeps the GIL until it yields it."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(60)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("no_switching")
@pytest.mark.parametrize("name", LONG)
def test_others_get_their_turns(name: str) -> None:
    """Another thread runs many times while a long file is read."""
    read, body = LONG[name]
    reading = threading.Thread(target=read, args=[body])
    reading.start()
    turns = 0
    while reading.is_alive():
        turns += 1
        time.sleep(0.0001)
    assert turns >= 10


def test_a_thread_alone_does_not_wait() -> None:
    """In a process without other threads, as a worker is, a thread gives up the processor for nothing."""
    script = (
        "import resource; from imaged_magick.gil import yield_gil\n"
        "for _ in range(2000): yield_gil(500)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 1000
