"""A detector finds faces in the confined worker processes, and tells what smart crops show."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO

import pytest
from daemon import Daemon
from drawn_faces import draw_face
from PIL import Image

from imaged.testing.pictures import make_jpeg

SETTINGS = "detectors: [opencv]\nimages: {extensions: [jpg, png]}\n"
SIDES = ("x_percent", "y_percent")


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_a_smart_crop_shows_the_face(make_daemon: Callable[..., Daemon], isolation: str) -> None:
    """info.json has the point, the crop is around it, and the status page names the engine."""
    if find_spec("cv2") is None:  # its import would change the environment of all tests
        pytest.skip("OpenCV is missing: install the extra faces")
    daemon = make_daemon(SETTINGS, f"render.isolation={isolation}")
    body = BytesIO()
    draw_face(300, 90, 120).save(body, "JPEG", quality=90)
    posted = daemon.post("/p", body.getvalue()).json()
    home = f"/p/{posted['partitionedHash']}"
    x_percent, y_percent = (daemon.get(f"{home}/info.json").json()["focal_point"][side] for side in SIDES)
    assert (x_percent, y_percent) == (pytest.approx(75, abs=4), pytest.approx(47, abs=6))
    names = ("100x200-gsm.png", f"100x200-g{x_percent}x{y_percent}.png")
    smart, named = (daemon.get(f"{home}/{name}") for name in names)
    assert Image.open(BytesIO(smart.body)).tobytes() == Image.open(BytesIO(named.body)).tobytes()
    assert daemon.get(f"{home}/100x200.png").body != smart.body
    engines = {each["name"]: each["detail"] for each in daemon.status()["plugins"] if each["kind"] == "detector"}
    assert engines["opencv"].startswith("OpenCV 4")


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_a_detector_tells_the_focal_point_at_the_post(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], isolation: str
) -> None:
    """The point is in info.json after a POST that also verifies the picture."""
    settings = "detectors: [fragile]\nplugins: {fragile: {how: work}}\n"
    daemon = make_daemon(settings, f"render.isolation={isolation}", environ=plugins)
    home = f"/p/{daemon.post('/p', make_jpeg()).json()['partitionedHash']}"
    assert daemon.get(f"{home}/info.json").json()["focal_point"] == {"x_percent": 5, "y_percent": 5}


@pytest.mark.parametrize("how", ["abort", "hang", "lie"])
def test_a_detector_that_fails_costs_no_post(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], how: str
) -> None:
    """The picture is kept, its outputs are made, and its smart crops are those of any picture."""
    settings = f"detectors: [fragile]\nplugins: {{fragile: {{how: {how}}}}}\nrender: {{timeout_s: 2}}\n"
    daemon = make_daemon(settings, environ=plugins)
    answer = daemon.post("/p", make_jpeg())
    assert answer.status == 200
    home = f"/p/{answer.json()['partitionedHash']}"
    assert daemon.get(f"{home}/20x30-gsm.jpg").status == 200
    assert daemon.get(f"{home}/info.json").status == 200
