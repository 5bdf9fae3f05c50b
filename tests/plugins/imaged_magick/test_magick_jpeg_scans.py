"""A JPEG whose scans cost too much is refused before it is decoded."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from picture_files import encode, segment
from PIL import Image

from imaged.api import ImageFacts, NotAPictureError, Size, TooLargeError
from imaged.testing.pictures import make_jpeg

Accept = Callable[..., ImageFacts]
Render = Callable[..., list[bytes]]
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2


def frame(marker: int, size: Size, *, components: int = 1, bits: int = 8) -> bytes:
    """Return the start of a JPEG up to its frame header, with tables in which every code is one bit."""
    listed = b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    header = struct.pack(">BHHB", bits, size.height_px, size.width_px, components) + listed
    tables = b"".join(segment(0xC4, bytes([kind << 4, 1, *bytes(15), 0])) for kind in (0, 1))
    return b"\xff\xd8" + segment(0xDB, b"\x00" + bytes([1]) * 64) + segment(marker, header) + tables


def scan(components: int, first: int, last: int, approximation: int = 0) -> bytes:
    """Return the header of a scan of the first components, and one byte of entropy codes."""
    listed = b"".join(bytes([number + 1, 0]) for number in range(components))
    return segment(0xDA, bytes([components]) + listed + bytes([first, last, approximation])) + b"\x3f"


END = b"\xff\xd9"


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_a_jpeg_that_browsers_do_not_show_is_refused(accept: Accept, marker: int) -> None:
    """Arithmetic coding, lossless and hierarchical JPEGs are refused, with advice."""
    with pytest.raises(NotAPictureError, match="which browsers do not show: save it as a baseline JPEG"):
        accept(frame(marker, Size(16, 16)) + scan(1, 0, 63) + END)


def test_twelve_bits_are_refused(accept: Accept) -> None:
    """Samples of 12 bits, which browsers do not show, are refused."""
    with pytest.raises(NotAPictureError, match="12 bits a sample"):
        accept(frame(EXTENDED, Size(16, 16), bits=12) + scan(1, 0, 63) + END)


@pytest.mark.parametrize("components", [0, 2, 5])
def test_colours_are_of_one_three_or_four_components(accept: Accept, components: int) -> None:
    """A number of components other than 1, 3 or 4 is refused."""
    with pytest.raises(NotAPictureError, match="colour components"):
        accept(frame(BASELINE, Size(16, 16), components=components) + scan(components, 0, 63) + END)


FRAME = frame(BASELINE, Size(16, 16))
AT = FRAME.index(b"\x08\x00\x10\x00\x10") + 1


@pytest.mark.parametrize("header", [FRAME[:AT] + bytes(2) + FRAME[AT + 2 :], FRAME[:AT] + bytes(4), b"\xff\xd8"])
def test_a_damaged_header_is_refused(accept: Accept, header: bytes) -> None:
    """A frame without pixels, and scans without a frame, are refused."""
    with pytest.raises(NotAPictureError):
        accept(header + scan(1, 0, 63) + END)


@pytest.mark.parametrize(
    "body",
    [
        frame(PROGRESSIVE, Size(7000, 7000)) + scan(1, 0, 0) + 1000 * scan(1, 1, 63),
        frame(PROGRESSIVE, Size(7000, 7000), components=3) + scan(3, 0, 0, 0x0D) + 40 * scan(3, 0, 0, 0xDC),
        frame(EXTENDED, Size(7000, 7000), components=3) + 100 * scan(1, 0, 63),
        frame(PROGRESSIVE, Size(700, 700)) + scan(1, 0, 0) + 20_000 * scan(1, 1, 63),
    ],
    ids=["one component", "three at once", "sequential", "small, with very many"],
)
def test_scans_times_pixels_are_bounded(accept: Accept, body: bytes) -> None:
    """A file of some kilobytes with very many scans is refused immediately."""
    began_s = time.thread_time()
    with pytest.raises(TooLargeError, match="too many scans for its size"):
        accept(body + END)
    assert time.thread_time() - began_s < 1


def test_an_accepted_jpeg_is_decoded_in_time(accept: Accept) -> None:
    """The most expensive JPEG that is accepted, with a restart in each block, takes far less than 30 s."""
    restarts = segment(0xDD, b"\x00\x01")
    size = Size(4096, 4096)  # 262,144 blocks in 20 scans: a tenth of what is accepted
    body = frame(PROGRESSIVE, size) + restarts
    began_s = time.thread_time()
    accept(body + scan(1, 0, 0) + 19 * scan(1, 0, 0) + END)
    assert time.thread_time() - began_s < 3


def test_photographs_have_scans_to_spare(accept: Accept) -> None:
    """Fifty megapixels in the ten scans that encoders write, with chroma at full resolution, are accepted."""
    size = Size(7000, 7000)
    each = [scan(1, 1, 5, 2), scan(1, 6, 63, 2), scan(1, 1, 63, 0x21), scan(1, 1, 63, 0x10)]
    scans = [scan(3, 0, 0, 1), *each, *each, scan(3, 0, 0, 0x10)]
    assert accept(frame(PROGRESSIVE, size, components=3) + b"".join(scans) + END).size == size


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_encoders_jpegs_are_taken(accept: Accept, render: Render, options: dict[str, bool], subsampling: int) -> None:
    """Pillow's JPEGs, baseline or progressive, at any chroma resolution, are accepted and rendered."""
    noise = Image.effect_noise((321, 123), 60).convert("RGB")
    body = encode(noise, "JPEG", subsampling=subsampling, **options)
    assert accept(body).size == Size(321, 123)
    assert render(body, "w40.png")


def test_scans_after_a_whole_one_are_not_decoded(render: Render) -> None:
    """Data after a sequential scan of all components is dropped."""
    jpeg = make_jpeg()
    (body,) = render(jpeg, "full_size.png")
    assert render(jpeg[:-2] + jpeg[jpeg.index(b"\xff\xda") : -2] + b"\xff\xc4\x00\x03\x00" + END, "full_size.png") == [
        body
    ]
