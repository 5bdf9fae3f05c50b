"""Animations are written as patches of what changes, and look the same to every reader."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pytest
from picture_files import encode
from PIL import Image, ImageChops, ImageDraw

from imaged_magick.gif_reader import read_gif
from imaged_magick.timeline import displayed_ms
from imaged_magick.webp_reader import read_webp

Render = Callable[..., list[bytes]]


def animated(frames: Sequence[Image.Image], format: str, **options: object) -> bytes:
    """Return an animation that Pillow writes."""
    settings: dict[str, object] = {"duration": 100, "loop": 0, **options}
    return encode(frames[0], format, save_all=True, append_images=list(frames[1:]), **settings)


def shown(body: bytes) -> list[Image.Image]:
    """Return each frame as Pillow shows it."""
    image = Image.open(io.BytesIO(body))
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        frames.append(image.convert("RGBA"))
    return frames


def worst(one: Image.Image, other: Image.Image) -> int:
    """Return the largest difference of two pictures on black, of 255."""
    black = Image.new("RGBA", one.size, (0, 0, 0, 255))
    pictures = [Image.alpha_composite(black, image).convert("RGB") for image in (one, other)]
    extrema = ImageChops.difference(*pictures).getextrema()
    return max(high for _, high in extrema)  # type: ignore[misc]


def blinking(frames: int = 8) -> list[Image.Image]:
    """Return a still photograph with two marks that blink in opposite corners."""
    photo = Image.effect_noise((240, 160), 90).quantize(120, dither=Image.Dither.NONE).convert("RGB")
    pictures = []
    for number in range(frames):
        picture = photo.copy()
        picture.paste((255, 0, 0) if number % 2 else (0, 0, 255), (0, 0, 12, 12))
        picture.paste((0, 0, 255) if number % 2 else (255, 0, 0), (228, 148, 240, 160))
        pictures.append(picture)
    return pictures


def sticker(frames: int = 6) -> list[Image.Image]:
    """Return frames of a disk that moves across a transparent canvas, beside a square that stays."""
    pictures = []
    for number in range(frames):
        picture = Image.new("RGBA", (120, 120), (0, 0, 0, 0))
        draw = ImageDraw.Draw(picture)
        draw.ellipse((5 + 9 * number, 21, 35 + 9 * number, 51), fill=(200, 30 + 20 * number, 60, 255))
        draw.rectangle((91, 91, 107, 107), fill=(0, 0, 255, 255))
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize("source", ["GIF", "WEBP"])
@pytest.mark.parametrize(("name", "growth"), [("full_size.gif", 1.1), ("full_size.webp", 1.3), ("w120.gif", 1.2)])
def test_only_changed_pixels_are_written(render: Render, source: str, name: str, growth: float) -> None:
    """Two marks that blink in opposite corners take their own bytes, although their common box is the whole picture."""
    frames = blinking()
    options = {"lossless": True} if source == "WEBP" else {}
    (still,) = render(animated(frames[:1], "PNG"), name)
    (body,) = render(animated(frames, source, **options), name)
    assert len(body) < growth * len(still) + 8 * 400
    assert len(shown(body)) == 8


@pytest.mark.parametrize("frames", [blinking(), sticker()])
def test_a_gif_shows_every_pixel_as_it_was(render: Render, frames: list[Image.Image]) -> None:
    """An animation of at most 256 colours keeps them exactly, and each frame looks as in the original."""
    (body,) = render(animated(frames, "WEBP", lossless=True), "full_size.gif")
    assert [worst(one, other) for one, other in zip(frames_rgba(frames), shown(body), strict=True)] == [0] * len(frames)


def frames_rgba(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Return pictures with an alpha channel."""
    return [frame.convert("RGBA") for frame in frames]


def test_a_webp_keeps_translucent_pixels(render: Render) -> None:
    """Translucent pixels replace the canvas instead of blending with it."""
    frames = [Image.new("RGBA", (64, 64), (40 * number, 80, 160, 40 + 40 * number)) for number in range(4)]
    (body,) = render(animated(frames, "WEBP", lossless=True), "full_size.webp", quality=95)
    assert [frame.getpixel((30, 30))[3] for frame in shown(body)] == [40, 80, 120, 160]  # type: ignore[index]


def test_frames_that_clear_name_a_transparent_colour(render: Render) -> None:
    """Every GIF frame has a transparent index, so that no reader clears to a background colour."""
    frames = [Image.new("RGBA", (40, 40), (0, 0, 255, 255)), Image.new("RGBA", (40, 40), (0, 0, 0, 0))]
    frames[1].paste((0, 255, 0, 255), (0, 0, 4, 4))
    (body,) = render(animated(frames, "WEBP", lossless=True), "full_size.gif")
    assert [frame.getpixel((30, 30))[3] for frame in shown(body)] == [255, 0]  # type: ignore[index]


def test_slow_changes_do_not_add_up(render: Render) -> None:
    """A fade in steps below the tolerance still reaches its last colour."""
    frames = [Image.new("RGB", (40, 40), (100 + number,) * 3) for number in range(30)]
    (webp, gif) = render(animated(frames, "WEBP", lossless=True), "full_size.webp", "full_size.gif")
    levels = [frame.getpixel((20, 20))[0] for frame in shown(webp)]  # type: ignore[index]
    assert all(abs(level - 100 - number) <= 7 for number, level in enumerate(levels))
    assert [frame.getpixel((20, 20))[0] for frame in shown(gif)] == list(range(100, 130))  # type: ignore[index]


@pytest.mark.parametrize(("name", "read"), [("full_size.gif", read_gif), ("full_size.webp", lambda b: read_webp(b)[0])])
def test_long_and_merged_frames_keep_their_time(render: Render, name: str, read: Callable[[bytes], object]) -> None:
    """Equal frames become one of the same total duration; one longer than the format's limit is split."""
    red, blue = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    times = [0, 10, 655_360, 15_000_000, 3_000_000, 40]
    body = animated([red, red, blue, blue, red, blue], "WEBP", lossless=True, duration=times, minimize_size=False)
    source = read_webp(body)[0]
    assert len(source.frames) >= 4
    sequence = read(render(body, name)[0])
    written = [frame.duration_ms for frame in sequence.frames]  # type: ignore[attr-defined]
    assert sum(written) == sum(displayed_ms(frame.duration_ms) for frame in source.frames)
    assert min(written) > 10
