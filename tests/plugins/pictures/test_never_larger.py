"""An output of the original's own format and size has no more bytes than the original without its metadata."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from photographs import dead_leaves
from PIL import Image

from imaged.core.formats import FORMATS
from imaged.core.stripping.strip import strip

Render = Callable[..., list[bytes]]
SECRET = "52.5200 north"
SIDES = (96, 64)


def saved(format: str, orientation: int = 1, **options: Any) -> bytes:
    """Return a small file of many details with EXIF, whose pixels an encoder needs more bytes for."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, SECRET
    exif.get_ifd(0x8825)[1] = "N"
    file = io.BytesIO()
    options = {"exif": exif.tobytes()} | options
    dead_leaves(*SIDES).save(file, format, **options)
    return file.getvalue()


ORIGINALS = {
    "jpg": saved("JPEG", quality=25, optimize=True, progressive=True),
    "webp": saved("WEBP", quality=15, method=6),
    "png": saved("PNG", optimize=True, compress_level=9),
}


def pixels(body: bytes) -> bytes:
    """Return the pixels that Pillow decodes."""
    return Image.open(io.BytesIO(body)).convert("RGBA").tobytes()


@pytest.mark.parametrize("name", ["full_size", "w96", "w500", "h64", "f100x64", "96x64", "p96x64", "full_size-q95"])
@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_the_stripped_original_is_given(render: Render, extension: str, name: str) -> None:
    """By each name of its own size: its pixels are the same, and its metadata are gone."""
    body = ORIGINALS[extension]
    (made,) = render(body, f"{name}.{extension}")
    format = FORMATS.sniff(body)
    assert format
    assert made == strip(format, body)
    assert pixels(made) == pixels(body)
    assert SECRET.encode() not in made
    assert not Image.open(io.BytesIO(made)).getexif()


@pytest.mark.parametrize("extension", ORIGINALS)
def test_no_output_of_this_size_is_larger(render: Render, extension: str) -> None:
    """At any quality, an output has at most the bytes of its original."""
    body = ORIGINALS[extension]
    names = [f"full_size-q{quality}.{extension}" for quality in (1, 20, 50, 75, 100)]
    assert all(len(made) < len(body) for made in render(body, *names))


@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_a_smaller_output_is_encoded(render: Render, extension: str) -> None:
    """A quality that needs fewer bytes than the original has is encoded."""
    large = saved({"jpg": "JPEG", "webp": "WEBP"}[extension], quality=95)
    (made,) = render(large, f"full_size-q30.{extension}")
    assert len(made) < len(large) / 3


@pytest.mark.parametrize("name", ["w95.jpg", "x64.jpg", "p96x96.jpg", "full_size.png", "full_size.webp"])
def test_other_sizes_and_formats_are_encoded(render: Render, name: str) -> None:
    """A crop, padding, another size or another format is never the original."""
    (made,) = render(ORIGINALS["jpg"], name)
    assert pixels(made) != pixels(ORIGINALS["jpg"]) or FORMATS.sniff(made) != FORMATS.sniff(ORIGINALS["jpg"])


@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_turned_originals_are_encoded(render: Render, orientation: int) -> None:
    """Its output is upright, and so not the original, whatever it costs."""
    body = saved("JPEG", orientation, quality=25)
    (made,) = render(body, "full_size.jpg")
    assert Image.open(io.BytesIO(made)).size == (SIDES[::-1] if orientation == 6 else SIDES)
    assert pixels(made) != pixels(body)


@pytest.mark.parametrize("more", [b"PK\x03\x04 a zip", b"\x00", saved("JPEG")])
def test_originals_with_something_behind_them_are_encoded(render: Render, more: bytes) -> None:
    """What is behind the picture reaches no output."""
    (made,) = render(ORIGINALS["jpg"] + more, "full_size.jpg")
    assert made != ORIGINALS["jpg"]
    assert made.endswith(b"\xff\xd9")
    assert not made.endswith(more) or more.startswith(b"\xff\xd8")
    assert SECRET.encode() not in made


def test_animations_move_as_before(render: Render) -> None:
    """A GIF in its own size has all frames, durations and repetitions, and no comment."""
    frames = [dead_leaves(*SIDES, seed=each).quantize(16) for each in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=70, loop=2, comment=SECRET.encode())
    (made,) = render(file.getvalue(), "full_size.gif")
    assert len(made) < len(file.getvalue())
    image = Image.open(io.BytesIO(made))
    assert (getattr(image, "n_frames", 1), image.info["duration"], image.info["loop"]) == (3, 70, 2)
    assert SECRET.encode() not in made
