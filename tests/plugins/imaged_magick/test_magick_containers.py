"""Containers are read without decoding pixels, and within limits."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.api import ImagedError, NotAPictureError, Size, TooLargeError
from imaged.core.exif import read_orientation
from imaged.testing.pictures import make_exif, make_gif, make_jpeg, make_png, make_webp
from imaged_magick.frames import Disposal, EncodedFrame, FrameSequence
from imaged_magick.gif_reader import read_gif
from imaged_magick.jpeg_reader import read_segments
from imaged_magick.png_reader import strip_png
from imaged_magick.webp_reader import read_webp
from imaged_magick.webp_writer import mux_webp


def test_gif_has_durations() -> None:
    """Frames have their duration. The loop block counts repeats, so the number of plays is one more."""
    sequence = read_gif(make_gif(3, duration_ms=70, repeats=2))
    assert [frame.duration_ms for frame in sequence.frames] == [70, 70, 70]
    assert sequence.plays == 3


@pytest.mark.parametrize(("repeats", "plays"), [(None, 1), (0, 0), (1, 2), (65535, 65536)])
def test_gif_plays(repeats: int | None, plays: int) -> None:
    """A GIF plays once without a loop block, and for ever with a count of 0."""
    assert read_gif(make_gif(2, repeats=repeats)).plays == plays


def test_gif_frames_are_files_of_their_own() -> None:
    """Each frame of a GIF is written as a still GIF of one frame."""
    for frame in read_gif(make_gif(3)).frames:
        assert len(read_gif(frame.as_still()).frames) == 1


def test_gif_without_trailer_is_whole() -> None:
    """A GIF whose trailer is missing is read, as in browsers."""
    assert len(read_gif(make_gif(2)[:-1]).frames) == 2


def test_gif_grows_to_its_first_frame() -> None:
    """A logical screen that is empty or too small grows to hold the first frame, as in browsers."""
    gif = make_gif()
    assert read_gif(gif[:6] + bytes(4) + gif[10:]).canvas == Size(48, 32)


def test_thousands_of_frames_are_counted_quickly() -> None:
    """A GIF of ten thousand frames is counted in far less than a second."""
    gif = make_gif(2)
    frame = gif[gif.rindex(b"\x21\xf9") : -1]
    began_s = time.thread_time()
    assert len(read_gif(gif[:-1] + 9_998 * frame).frames) == 10_000
    assert time.thread_time() - began_s < 1


@pytest.mark.parametrize("frame", [b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"])
def test_too_many_frames_are_not_counted(frame: bytes) -> None:
    """More than ten thousand frames are refused."""
    with pytest.raises(TooLargeError):
        read_gif(make_gif()[:-1] + 10_001 * frame)


def test_tiny_blocks_are_bounded() -> None:
    """A GIF of millions of one-byte blocks is refused."""
    with pytest.raises(TooLargeError):
        read_gif(make_gif()[:-1] + b"\x21\xfe" + 3_000_000 * b"\x01x" + b"\x00\x3b")


def test_a_frame_without_pixels_is_broken() -> None:
    """A frame of zero width is refused."""
    gif = bytearray(make_gif())
    at = gif.rindex(b"\x2c\x00\x00\x00\x00\x30")
    gif[at + 5 : at + 7] = b"\x00\x00"
    with pytest.raises(NotAPictureError):
        read_gif(bytes(gif))


def test_webp_has_durations() -> None:
    """Frames of an animated WebP have their duration, and the file its number of plays."""
    sequence, exif = read_webp(make_webp(3, durations_ms=[10, 25, 70], plays=4))
    assert [frame.duration_ms for frame in sequence.frames] == [10, 25, 70]
    assert (sequence.plays, sequence.canvas, exif) == (4, Size(48, 32), b"")


def test_webp_still_is_one_frame() -> None:
    """A still WebP is a sequence of one frame that fills the canvas and whose bytes are unchanged."""
    webp = make_webp()
    sequence, _ = read_webp(webp)
    assert [frame.as_still() for frame in sequence.frames] == [webp]


def test_webp_frames_are_files_of_their_own() -> None:
    """Each frame of a WebP is written as a still WebP of its size."""
    sequence, _ = read_webp(make_webp(2))
    for frame in sequence.frames:
        assert read_webp(frame.as_still())[0].canvas == frame.size


def test_muxing_and_reading_are_inverse() -> None:
    """Reading an animation gives the canvas, frames and plays that it was muxed from."""
    size, still = Size(48, 32), make_webp()
    animation = mux_webp(
        Size(60, 40), [EncodedFrame(0, 0, size, 20, still), EncodedFrame(12, 8, size, 33, still)], plays=7
    )
    sequence, _ = read_webp(animation)
    assert (sequence.canvas, sequence.plays) == (Size(60, 40), 7)
    assert [(frame.left_px, frame.top_px, frame.duration_ms) for frame in sequence.frames] == [(0, 0, 20), (12, 8, 33)]
    assert not any(frame.blends for frame in sequence.frames)


def test_webp_frame_outside_of_the_canvas_is_broken() -> None:
    """A frame outside of the canvas is refused before it is decoded."""
    webp = bytearray(make_webp(2))
    at = webp.index(b"ANMF") + 8
    webp[at] = 200
    with pytest.raises(NotAPictureError):
        read_webp(bytes(webp))


def test_a_webp_too_wide_for_the_decoder_is_refused_when_it_is_read() -> None:
    """A canvas above ImageMagick's limit is refused as too large when it is read, not as broken when it is rendered."""
    webp = bytearray(make_webp(2))
    webp[24:30] = (1_000_000).to_bytes(3, "little") + bytes(3)
    with pytest.raises(TooLargeError, match="1000001x1"):
        read_webp(bytes(webp))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("prefix", [b"", b"Exif\x00\x00"])
def test_orientation_is_read(orientation: int, prefix: bytes) -> None:
    """All eight orientations are read, with JPEG's prefix and without."""
    assert read_orientation(prefix + make_exif(orientation)) == orientation


def test_little_endian_orientation_is_read() -> None:
    """EXIF comes in both byte orders."""
    assert read_orientation(b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)) == 6


@given(st.binary(max_size=64))
def test_any_exif_is_an_orientation(exif: bytes) -> None:
    """Any bytes give one of the eight orientations."""
    assert 1 <= read_orientation(b"II*\x00" + exif) <= 8


READERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (read_gif, make_gif(3)),
    (read_webp, make_webp(3)),
    (read_segments, make_jpeg(6)),
    (strip_png, make_png(orientation=6)),
]


@pytest.mark.parametrize(("read", "body"), READERS)
@given(data=st.data())
def test_damage_raises_our_errors(read: Callable[[bytes], object], body: bytes, data: st.DataObject) -> None:
    """A damaged container is read or refused, with no other errors than ours."""
    damaged = bytearray(body)
    for at in data.draw(st.lists(st.integers(8, len(body) - 1), max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImagedError):
        read(bytes(damaged[: data.draw(st.integers(8, len(body)))]))


def test_disposal_methods_are_read() -> None:
    """Each disposal method of GIF is read; an unknown one keeps the frame."""
    gif = bytearray(make_gif(1))
    at = gif.rindex(b"\x21\xf9") + 3
    expected = {0: Disposal.KEEP, 1: Disposal.KEEP, 2: Disposal.CLEAR, 3: Disposal.RESTORE, 7: Disposal.KEEP}
    for method, disposal in expected.items():
        gif[at] = method << 2
        sequence: FrameSequence = read_gif(bytes(gif))
        assert sequence.frames[0].disposal is disposal


def empty_frame(data: bytes, side_px: int = 8) -> bytes:
    """Return a GIF frame of half a second and without pixels."""
    return b"\x21\xf9\x04\x04\x32\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, side_px, side_px, 0) + data


NO_DATA = empty_frame(b"\x02\x00")
EMPTY = [
    NO_DATA,
    empty_frame(b"\x02\x01\x05\x00"),
    empty_frame(b"\x02\x01\x2c\x00"),
    empty_frame(b"\x02\x01\x2c\x00", 0),
]


@pytest.mark.parametrize("empty", EMPTY, ids=["no codes", "the end's alone", "a clear and the end", "of 0x0 pixels"])
@pytest.mark.parametrize(("place", "durations_ms"), [(1, [600, 100, 100]), (3, [100, 100, 600])])
def test_a_gif_frame_without_data_changes_nothing(empty: bytes, place: int, durations_ms: list[int]) -> None:
    """A frame without pixels extends the frame before it, as in browsers."""
    parts = make_gif(3).removesuffix(b";").split(b"\x21\xf9")
    parts[place] += empty
    sequence = read_gif(b"\x21\xf9".join(parts) + b";")
    assert [frame.duration_ms for frame in sequence.frames] == durations_ms
    assert [frame.as_still() for frame in sequence.frames] == [
        frame.as_still() for frame in read_gif(make_gif(3)).frames
    ]


def test_a_gif_whose_first_frame_has_no_data_is_refused() -> None:
    """A GIF whose first frame has no pixels is refused, as in Pillow."""
    before, start, after = make_gif(2).partition(b"\x21\xf9")
    with pytest.raises(NotAPictureError, match="its first frame has no pixels"):
        read_gif(before + NO_DATA + start + after)
