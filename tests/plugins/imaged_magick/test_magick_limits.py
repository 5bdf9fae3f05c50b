"""Pictures that are broken or cost too much raise our errors, in time, and without a local path in the message."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from picture_files import encode
from PIL import Image

from imaged.api import (
    JPEG,
    PNG,
    BusyError,
    PolicyError,
    TooLargeError,
)
from imaged.testing.pictures import make_gif, make_png
from imaged_magick.deadline import Deadline
from imaged_magick.memory import NoMemoryError, RunningRenders
from imaged_magick.picture import Picture, translated
from imaged_magick.png_reader import strip_png, write_chunk

Render = Callable[..., list[bytes]]


def photo(width: int = 5000, height: int = 3500, format: str = "JPEG") -> bytes:
    """Return a picture that takes long to decode."""
    return encode(Image.effect_noise((width, height), 60).convert("RGB"), format)


@pytest.mark.parametrize("name", ["full_size.webp", "full_size.gif", "w3000.jpg"])
def test_work_is_called_off_in_the_middle(render: Render, name: str) -> None:
    """Decoding, resizing and encoding stop soon after the deadline: they use little of the CPU time of the whole."""
    body = photo()
    began_s = time.process_time()
    with pytest.raises(BusyError, match=r"longer than 0\.1 s"):
        render(body, name, timeout_s=0.1)
    assert time.process_time() - began_s < 0.1 + 1


@pytest.mark.parametrize("size", [(1, 65_535), (65_535, 1)])
def test_long_thin_gifs_cost_as_much_as_their_pixels(render: Render, size: tuple[int, int]) -> None:
    """A picture one pixel wide is dithered in linear time, not along a curve through the square around it."""
    frames = [Image.effect_noise(size, 60 + number) for number in range(18)]  # more than a million rows in all
    still = encode(Image.merge("RGB", frames[:3]), "PNG")
    animation = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for body in (still, animation):
        assert len(render(body, "full_size.gif", timeout_s=30)) == 1


@pytest.mark.parametrize("name", ["full_size.png", "full_size.gif"])
def test_little_time_ends_little_work(render: Render, name: str) -> None:
    """The pixels from which a step is interruptible, or refused, depend on the timeout of the render."""
    body = photo(2500, 1600)
    began_s = time.thread_time()  # a busy machine takes longer, but has less of the work done
    with pytest.raises(BusyError, match=r"longer than 0\.2 s"):
        render(body, name, timeout_s=0.2)
    assert time.thread_time() - began_s < 0.2 + 0.6


def test_each_step_can_be_interrupted() -> None:
    """A decoder, a filter and an encoder each stop when the deadline has passed."""
    body = photo(2000, 1500)
    late = Deadline(-1, interrupts=True)
    with Picture(late) as picture, pytest.raises(BusyError), translated(late, "decoding"):
        picture.read_pixels(JPEG, body)
    patient = Deadline(30, interrupts=True)
    with Picture(patient) as decoded:
        decoded.read_pixels(JPEG, body)
        with Picture(late, image=decoded) as picture, pytest.raises(BusyError), translated(late, "writing"):
            picture.write(PNG)
        assert (decoded.width, decoded.height) == (2000, 1500)


def test_a_timeout_at_any_moment_is_busy(render: Render) -> None:
    """A timeout at any moment raises BusyError and no other error; one of 0.1 ms always does."""
    names = ("x50.png", "30x90.jpg", "x60.webp")
    bodies = (photo(300, 200), make_gif(3))
    for body in bodies:
        with pytest.raises(BusyError):
            render(body, *names, timeout_s=0.0001)
    for microseconds in range(200, 12_000, 200):
        for body in bodies:
            with contextlib.suppress(BusyError):
                render(body, *names, timeout_s=microseconds / 1_000_000)


def test_interrupted_work_frees_its_memory() -> None:
    """A hundred interrupted pictures take no more memory than one."""
    body = photo(3000, 2000)

    def give_up() -> None:
        deadline = Deadline(0.01, interrupts=True)
        with pytest.raises(BusyError), Picture(deadline) as picture, translated(deadline, "decoding"):
            picture.read_pixels(JPEG, body)

    for _ in range(5):
        give_up()
    before = resident_bytes()
    for _ in range(100):
        give_up()
    assert resident_bytes() - before < 40_000_000


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc")
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_memory_is_bounded() -> None:
    """A picture that can never fit into plugins.magick.memory_bytes is too large; other renders continue."""
    program = """
import sys
from pathlib import Path
import imaged_magick
from imaged.api import *
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.processors import make_variant
processor = imaged_magick.imaged_processor(make_host("magick", {"memory_bytes": 64 * 2**20}))
for name in sys.argv[1:]:
    source = Path(name)
    facts = processor.identify(source)
    variant = make_variant(parse("w100.png"))
    try:
        print(len(list(processor.render(RenderJob(source, facts, (variant,), 30, 50_000_000)))))
    except TooLargeError as error:
        print(error)
"""

    def run(*paths: Path) -> str:
        command = [sys.executable, "-c", program, *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large", Path(folder) / "small"
        hidden = Path(folder) / "hidden"  # whose rotation takes memory for a second copy
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("L", (5000, 4000)).save(large, "PNG")
        Image.new("RGB", (2700, 2500)).save(hidden, "PNG", exif=exif)
        small.write_bytes(make_png())
        first, second, third, fourth = run(large, small, hidden, large).splitlines()
    assert "the original would take" in first
    assert (second, fourth) == ("1", first)
    assert "this takes more than the 64 MiB of memory" in third


def test_memory_that_others_have_is_free_again() -> None:
    """A lack of memory is busy if another render ran at the time, and too large otherwise."""
    renders = RunningRenders()

    def fail(*, beside: bool) -> None:
        with renders.track():
            if beside:
                with renders.track():
                    pass
            raise NoMemoryError("now")

    with renders.track(), pytest.raises(NoMemoryError):
        fail(beside=False)
    with pytest.raises(NoMemoryError):
        fail(beside=True)
    with pytest.raises(TooLargeError):
        fail(beside=False)


def test_the_limits_of_encoders_are_reported(render: Render) -> None:
    """A side above the limit of libjpeg or libwebp is not allowed."""
    with pytest.raises(PolicyError, match="65500"):
        render(make_png(), "1x65501.jpg")
    assert len(render(make_png(), "1x16383.webp")) == 1
    with pytest.raises(PolicyError, match="16383"):
        render(make_png(), "1x16384.webp")


def test_a_bomb_is_refused_by_its_header(render: Render) -> None:
    """A small file that announces very many pixels is refused before it is decoded."""
    bomb = bytearray(make_png())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    with pytest.raises(TooLargeError, match="3600000000 pixels"):
        render(bytes(bomb), "w10.png")


def png_of(width: int, height: int, stream: bytes) -> bytes:
    """Return an RGB picture with this stream of pixels."""
    return make_png(width, height)[:33] + write_chunk(b"IDAT", stream) + write_chunk(b"IEND", b"")


def test_megabytes_behind_the_rows_are_not_inflated(render: Render) -> None:
    """The stream of a small picture is cut far behind its rows, before libpng inflates all of it."""
    rows = bytes(30 * (1 + 3 * 40))
    stream = zlib.compressobj(9)
    parts = [stream.compress(rows), *(stream.compress(bytes(2**20)) for _ in range(256)), stream.flush()]
    bomb = png_of(40, 30, b"".join(parts))
    assert len(strip_png(bomb)) < len(bomb) / 2
    assert render(bomb, "full_size.png") == render(png_of(40, 30, zlib.compress(rows)), "full_size.png")


def test_the_longest_stream_of_rows_is_whole() -> None:
    """An encoder that stores each byte on its own writes six for each, and nothing of them is cut."""
    rows = bytes(150 * (1 + 3 * 200))
    blocks = (b"\x00\x01\x00\xfe\xff" + rows[at : at + 1] for at in range(len(rows)))
    stream = b"".join([b"\x78\x01", *blocks, b"\x01\x00\x00\xff\xff", zlib.adler32(rows).to_bytes(4, "big")])
    assert stream in strip_png(png_of(200, 150, stream))
