"""Animations keep their frames, durations, plays and disposal."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from wand.image import Image as WandImage

from imaged.api import Processor, TooLargeError
from imaged.core.outputs import parse
from imaged.testing.pictures import make_gif, make_webp
from imaged.testing.processors import make_variant, render_job
from imaged.workers.processors import Processors

Render = Callable[..., list[bytes]]
Opened = Callable[[bytes], Image.Image]
RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


def frames(body: bytes) -> list[Image.Image]:
    """Return each frame as a browser shows it; Pillow does not clear a GIF's frames to transparency."""
    shown = []
    if body.startswith(b"GIF"):
        with WandImage(blob=body, format="gif") as animation:
            animation.coalesce()
            for number in range(len(animation.sequence)):
                with animation.sequence[number].clone() as frame:
                    shown.append(Image.open(io.BytesIO(frame.make_blob("png"))).convert("RGBA"))
        return shown
    image = Image.open(io.BytesIO(body))
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        shown.append(image.convert("RGBA"))
    return shown


def durations(body: bytes) -> list[int]:
    """Return each frame's duration in milliseconds."""
    image = Image.open(io.BytesIO(body))
    durations_ms = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        durations_ms.append(image.info["duration"])
    return durations_ms


def first_pixels(body: bytes) -> list[object]:
    """Return the top left pixel of each frame."""
    return [frame.getpixel((1, 1)) for frame in frames(body)]


@pytest.mark.parametrize("original", [make_gif(4, duration_ms=70), make_webp(4, durations_ms=[70])])
@pytest.mark.parametrize("name", ["w24.gif", "x40.gif", "full_size.gif", "w24.webp", "full_size.webp"])
def test_all_frames_are_kept(render: Render, original: bytes, name: str) -> None:
    """GIF and WebP animations, rendered as GIF or WebP, keep their frames, order and durations."""
    (body,) = render(original, name)
    assert durations(body) == [70, 70, 70, 70]
    seen = [tuple(255 * (part > 127) for part in pixel) for pixel in first_pixels(body)]  # type: ignore[attr-defined]
    assert seen == [RED, GREEN, BLUE, (255, 255, 255, 255)]


@pytest.mark.parametrize(("repeats", "gif_loop", "webp_loop"), [(0, 0, 0), (2, 2, 3), (None, None, 1)])
def test_plays_are_kept_from_gif(
    render: Render, opened: Opened, repeats: int | None, gif_loop: int | None, webp_loop: int
) -> None:
    """GIF stores repeats and WebP plays; a viewer sees the same number of plays."""
    gif, webp = render(make_gif(3, repeats=repeats), "w24.gif", "w24.webp")
    assert opened(gif).info.get("loop") == gif_loop
    assert opened(webp).info["loop"] == webp_loop


@pytest.mark.parametrize(("plays", "gif_loop"), [(0, 0), (1, None), (5, 4)])
def test_plays_are_kept_from_webp(render: Render, opened: Opened, plays: int, gif_loop: int | None) -> None:
    """A WebP that plays once becomes a GIF without a loop."""
    gif, webp = render(make_webp(3, plays=plays), "w24.gif", "w24.webp")
    assert opened(gif).info.get("loop") == gif_loop
    assert opened(webp).info["loop"] == plays


def test_durations_are_rounded_without_drift(render: Render) -> None:
    """WebP keeps milliseconds. GIF stores hundredths of a second, and rounding errors do not add up."""
    webp, gif = render(make_webp(4, durations_ms=[33, 33, 34, 25]), "w24.webp", "w24.gif")
    assert durations(webp) == [33, 33, 34, 25]
    assert sum(durations(gif)) == pytest.approx(125, abs=5)


def patched_gif(disposal: int) -> bytes:
    """Return a GIF: a red canvas, then a green patch with a disposal method, then a blue dot elsewhere."""
    pictures = [Image.new("P", (40, 40), 0), Image.new("P", (10, 10), 1), Image.new("P", (4, 4), 2)]
    places = [(0, 0), (0, 0), (30, 30)]
    body = b"GIF89a" + b"\x28\x00\x28\x00\xf1\x00\x00" + bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0))
    for number, (picture, (left, top)) in enumerate(zip(pictures, places, strict=True)):
        method = disposal if number == 1 else 1
        body += b"\x21\xf9\x04" + bytes([method << 2]) + b"\x0a\x00\x00\x00\x2c"
        body += b"".join(value.to_bytes(2, "little") for value in (left, top, *picture.size)) + b"\x00\x07"
        codes = b"".join(b"\x80" + picture.tobytes()[at : at + 100] for at in range(0, len(picture.tobytes()), 100))
        codes += b"\x81"
        for at in range(0, len(codes), 255):
            block = codes[at : at + 255]
            body += bytes([len(block)]) + block
        body += b"\x00"
    return body + b"\x3b"


@pytest.mark.parametrize(("disposal", "after"), [(0, GREEN), (1, GREEN), (2, CLEAR), (3, RED)])
@pytest.mark.parametrize("name", ["full_size.gif", "full_size.webp"])
def test_disposal_is_obeyed(render: Render, disposal: int, after: object, name: str) -> None:
    """A frame's area is kept, cleared or restored, as its disposal method says."""
    one, two, three = (frame for frame in frames(render(patched_gif(disposal), name, quality=100)[0]))
    assert [rounded(one, 5, 5), rounded(two, 5, 5), rounded(three, 5, 5)] == [RED, GREEN, after]
    assert [rounded(two, 20, 20), rounded(three, 20, 20), rounded(three, 32, 32)] == [RED, RED, BLUE]


def rounded(frame: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """Return a pixel with each channel rounded to 0 or 255, black if it is transparent."""
    pixel = frame.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return tuple(255 * (part > 127) for part in pixel) if pixel[3] else CLEAR


def test_webp_frames_may_replace_the_pixels_below(render: Render) -> None:
    """A WebP frame that does not blend replaces the canvas with its own transparency."""
    image = Image.new("RGBA", (32, 32), RED)
    clear = Image.new("RGBA", (32, 32), CLEAR)
    clear.paste(GREEN, (0, 0, 8, 8))
    file = io.BytesIO()
    image.save(file, "WEBP", save_all=True, append_images=[clear], lossless=True, duration=50)
    shown = frames(render(file.getvalue(), "full_size.gif")[0])
    assert [rounded(shown[1], 2, 2), rounded(shown[1], 20, 20)] == [GREEN, CLEAR]


def test_every_frame_counts(render: Render) -> None:
    """The pixels of all frames count, for the original and for each animated output; a still counts one frame."""
    render = partial(render, animation="refuse")
    gif = make_gif(5)
    pixels = 48 * 32 * 5
    with pytest.raises(TooLargeError):
        render(gif, "w24.gif", maximum_pixels=pixels - 1)
    assert len(render(gif, "full_size.gif", maximum_pixels=5 * 4096)) == 1
    with pytest.raises(TooLargeError):
        render(gif, "x100.gif", maximum_pixels=49_999)
    assert len(render(gif, "w24.jpg", maximum_pixels=48 * 32)) == 1


def test_a_long_animation_has_stills(processor: Processor, tmp_path: Path) -> None:
    """Stills of the first frame are rendered before animations of the same job are refused."""
    source = tmp_path / "original"
    source.write_bytes(make_gif(5))
    processors = Processors([processor], maximum_pixels=48 * 32)  # type: ignore[list-item]
    assert processors.identify(source).frames == 5  # which is enough for a POST
    variants = [make_variant(parse(name), animation="refuse") for name in ("w24.gif", "w24.jpg")]
    facts = processor.identify(source)
    job = replace(render_job(source, facts, [], maximum_pixels=5 * 48 * 32 - 1), variants=tuple(variants))
    rendered = processor.render(job)
    assert str(next(rendered).output) == "w24.jpg"
    with pytest.raises(TooLargeError, match="5 frames together") as refused:
        next(rendered)
    assert "shorter animation, or request a still" in str(refused.value)  # a smaller output would not help


@pytest.mark.parametrize(("maximum_pixels", "count"), [(4 * 4096, 4), (2 * 4096 + 1, 2), (4095, 1), (5 * 4096, 5)])
def test_a_long_animation_is_cut(render: Render, maximum_pixels: int, count: int) -> None:
    """An animation has its first frames, as many as its pixels allow, and at least one."""
    whole = frames(render(make_gif(5), "w24.webp")[0])
    cut = frames(render(make_gif(5), "w24.webp", maximum_pixels=maximum_pixels)[0])
    assert len(whole) == 5
    assert [frame.tobytes() for frame in cut] == [frame.tobytes() for frame in whole[:count]]


def test_each_output_is_cut_by_its_own_pixels(render: Render) -> None:
    """A larger output of the same job has fewer frames."""
    small, large = render(make_gif(5), "w24.gif", "x100.gif", maximum_pixels=30_000)
    assert len(frames(small)) == 5
    assert len(frames(large)) == 2  # each is scaled to 150x100


def test_frames_larger_than_the_canvas_count_too(render: Render) -> None:
    """The pixels of frames count where they are larger than the canvas of the GIF."""
    gif = bytearray(make_gif(2))
    at = gif.rindex(b"\x2c\x00\x00\x00\x00\x30")
    gif[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(TooLargeError):
        render(bytes(gif), "w24.webp", animation="refuse")


def test_unchanged_areas_are_not_stored_again(render: Render) -> None:
    """A GIF frame stores only the area that changed."""
    noise = Image.effect_noise((200, 200), 80).convert("P")
    still, animated = io.BytesIO(), io.BytesIO()
    other = noise.copy()
    other.paste(0, (0, 0, 5, 5))
    noise.save(still, "GIF")
    noise.save(animated, "GIF", save_all=True, append_images=[other, noise, other], duration=50)
    (one,) = render(still.getvalue(), "full_size.gif")
    (four,) = render(animated.getvalue(), "full_size.gif")
    assert len(four) < 1.5 * len(one)


@pytest.mark.parametrize("name", ["full_size.webp", "full_size.gif"])
def test_transparent_pixels_beside_a_change_stay_transparent(render: Render, name: str) -> None:
    """A pixel that appears on a transparent canvas changes no other pixel, although WebP stores changes in blocks."""
    pictures = [Image.new("RGBA", (16, 16), CLEAR) for _ in range(3)]
    for number, picture in enumerate(pictures):
        for dot in range(number + 1):
            picture.paste(RED, (5 * dot, 5 * dot, 5 * dot + 2, 5 * dot + 2))
    file = io.BytesIO()
    pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    (body,) = render(file.getvalue(), name)
    assert [frame.getchannel("A").tobytes() for frame in frames(body)] == [
        picture.getchannel("A").tobytes() for picture in pictures
    ]
