"""Pictures through the real daemon, checked by another decoder and by littleCMS."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from daemon import Daemon
from drawn_pictures import FRAME_MS, FRAMES, animation, jpeg, scene, wide_gamut_png
from PIL import Image, ImageChops, ImageCms, ImageStat

PHOTO = jpeg(scene())
HASH = hashlib.md5(PHOTO).hexdigest()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>\n'
SIZES = {"w500": (500, 375), "x600": (600, 600), "300x400": (300, 400), "full_size": (800, 600)}
FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}


def opened(body: bytes) -> Image.Image:
    """Return the picture, decoded by Pillow."""
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def durations_ms(image: Image.Image) -> int:
    """Return the total duration of an animation in ms."""
    total_ms = 0
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        image.load()
        total_ms += int(image.info["duration"])
    return total_ms


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures' channels, 0 to 255."""
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return sum(ImageStat.Stat(difference).mean) / 3


def test_queued_outputs_appear(make_daemon: Callable[..., Daemon]) -> None:
    """A POST answers with the facts of the picture, and its outputs appear without further requests."""
    daemon = make_daemon()
    answer = daemon.post("/p?outputs=x300.jpg,x300.webp", PHOTO)
    assert answer.status == 200
    info = answer.json()
    assert (info["hash"], info["width"], info["height"], info["content_type"]) == (HASH, 800, 600, "image/jpeg")
    assert [row["name"] for row in info["outputs"]] == ["x300.jpg", "x300.webp"]
    daemon.wait_for_files(info, ["x300.jpg", "x300.webp"])
    assert {row["state"] for row in daemon.get(f"/p/{HASH}/info.json").json()["outputs"]} == {"ready"}
    assert daemon.get(f"/p/{HASH}/original").body == PHOTO


def test_every_size_quality_and_format(make_daemon: Callable[..., Daemon]) -> None:
    """Each kind of output, with and without a quality, comes out in the right size and format."""
    daemon = make_daemon()
    daemon.post("/p", PHOTO)
    names = [(f"{size}{q}.{ext}", SIZES[size], FORMATS[ext]) for size in SIZES for q in ("", "-q50") for ext in FORMATS]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda name: daemon.get(f"/p/{HASH[:3]}/{HASH[3:6]}/{HASH[6:]}/{name[0]}"), names))
    for (name, size, kind), answer in zip(names, answers, strict=True):
        assert answer.status == 200, (name, answer.body)
        image = opened(answer.body)
        assert (image.size, image.format) == (size, kind), name
    assert daemon.status()["processing"]["total"] == len(names) == 32


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_orientations_come_out_alike(make_daemon: Callable[..., Daemon], turned: int) -> None:
    """A picture with an EXIF rotation comes out as the upright one."""
    daemon = make_daemon()
    outputs = []
    for number in (1, turned):
        info = daemon.post("/p", jpeg(scene(), number)).json()
        outputs.append(opened(daemon.get(f"/p/{info['hash']}/w300.png").body))
    assert outputs[0].size == outputs[1].size == (300, 225)
    assert mean_difference(*outputs) < 3  # JPEG compresses each orientation differently


@pytest.mark.parametrize("name", ["p3", "prophoto"])
def test_colours_are_true(make_daemon: Callable[..., Daemon], name: str) -> None:
    """A picture with an ICC profile comes out in the sRGB colours of littleCMS."""
    daemon = make_daemon()
    body = wide_gamut_png(name)
    info = daemon.post("/p", body).json()
    ours = opened(daemon.get(f"/p/{info['hash']}/full_size.png").body)
    source = opened(body)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(source.info["icc_profile"]))
    theirs = ImageCms.profileToProfile(
        source,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        outputMode="RGB",
    )
    assert theirs is not None
    assert mean_difference(ours, theirs) < 1
    assert mean_difference(ours, source) > 3


@pytest.mark.parametrize("extension", ["gif", "webp"])
def test_an_animation_stays_one(make_daemon: Callable[..., Daemon], extension: str) -> None:
    """An animation keeps its duration in animated formats, and gives its first frame to the others."""
    daemon = make_daemon()
    body = animation()
    info = daemon.post("/p", body).json()
    animated = opened(daemon.get(f"/p/{info['hash']}/w150.{extension}").body)
    assert durations_ms(animated) == durations_ms(opened(body)) == FRAMES * FRAME_MS
    assert getattr(animated, "n_frames", 1) == FRAMES
    assert animated.size == opened(body).size
    assert getattr(opened(daemon.get(f"/p/{info['hash']}/w150.png").body), "n_frames", 1) == 1


def test_bodies_that_are_no_pictures_are_refused(make_daemon: Callable[..., Daemon]) -> None:
    """A drawing, a text and a broken header get 415, an empty body gets 400, and the daemon serves on."""
    daemon = make_daemon()
    for body in (SVG, b"only text\n", b"", PHOTO[:200] + bytes(800)):
        answer = daemon.post("/p", body)
        assert answer.status == (415 if body else 400)
        assert answer.json()["error"]
    assert daemon.get("/status_check").body == b"OK\n"
    assert not list(daemon.store.glob("p/**/original"))


def test_only_workers_load_imagemagick(make_daemon: Callable[..., Daemon]) -> None:
    """The daemon has not loaded the library of its workers, and knows its version from them."""
    daemon = make_daemon()
    daemon.post("/p", PHOTO)
    plugins = {each["name"]: each["detail"] for each in daemon.status()["plugins"]}
    assert plugins["magick"].startswith("ImageMagick ")
    assert "libMagick" not in Path(f"/proc/{daemon.process.pid}/maps").read_text()
