"""Pillow renders before ImageMagick, in the confined worker processes and on threads of the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from daemon import Daemon

import imaged_pillow
from imaged.core.formats import FORMATS
from imaged.core.outputs import parse
from imaged.testing.fakes import make_host
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp
from imaged.testing.processors import render_job

SETTINGS = "processors: [pillow, magick]\n"
NAMES = ("x20.jpg", "w30.png", "w30-q90.webp", "x20.gif")


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_both_processors_serve_their_part(make_daemon: Callable[..., Daemon], tmp_path: Path, isolation: str) -> None:
    """Stills come from Pillow, GIFs and animations from ImageMagick, and the status page names both engines."""
    daemon = make_daemon(SETTINGS, f"render.isolation={isolation}")
    for body in (make_jpeg(6), make_png(opacity=100), make_webp(), make_gif(), make_gif(3), make_webp(3)):
        posted = daemon.post("/p", body).json()
        for name in NAMES:
            answer = daemon.get(f"/p/{posted['partitionedHash']}/{name}")
            format = FORMATS.sniff(answer.body)
            assert (answer.status, format and format.extension) == (200, name.partition(".")[2])
    source = tmp_path / "original"
    source.write_bytes(make_jpeg(6))
    pillow = imaged_pillow.imaged_processor(make_host("pillow"))
    assert pillow is not None
    (alone,) = pillow.render(render_job(source, pillow.identify(source), [parse("x20.jpg")]))
    home = daemon.post("/p", make_jpeg(6)).json()["partitionedHash"]
    assert daemon.get(f"/p/{home}/x20.jpg").body == alone.body
    engines = {each["name"]: each["detail"] for each in daemon.status()["plugins"] if each["kind"] == "processor"}
    assert engines["pillow"].startswith("Pillow ")
    assert engines["magick"].startswith("ImageMagick ")
    assert daemon.post("/p", make_jpeg()[:-40]).status == 415
