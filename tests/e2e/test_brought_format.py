"""A format that a plugin brings works everywhere once a policy lists it: the plugin of docs/plugins.md brings PPM."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon import Daemon, until
from source_tree import ROOT

from imaged.testing.pictures import make_png

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SETTINGS = """\
processors: [magick, ppm]
uploader: folder
plugins: {folder: {path: remote}}
namespaces:
  scans: {extensions: [jpg, png, gif, webp, ppm]}
"""
CONTENT_TYPE = "image/x-portable-pixmap"


def make_ppm(width_px: int, height_px: int) -> bytes:
    """Return a red picture."""
    return b"P6\n%d %d\n255\n" % (width_px, height_px) + b"\xff\0\0" * width_px * height_px


@pytest.fixture
def environ(plugins: dict[str, str]) -> dict[str, str]:
    """Return the environment of a daemon that has the documented plugin as well."""
    site = Path(plugins["PYTHONPATH"])
    for module in ("imaged_ppm", "imaged_pil"):
        (source,) = re.findall(rf"^```python\n# {module}\.py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        (site / f"{module}.py").write_text(source)
    with (site / "foreign-1.dist-info" / "entry_points.txt").open("a") as entry_points:
        entry_points.write("ppm = imaged_ppm\n")
    return plugins


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], environ: dict[str, str]) -> Daemon:
    """Return a daemon whose namespace `scans` lists PPM."""
    return make_daemon(SETTINGS, environ=environ)


def test_it_is_taken_rendered_stored_and_served(daemon: Daemon) -> None:
    """An original is recognised by its first bytes; its outputs are served and uploaded with their content type."""
    posted = daemon.post("/scans?outputs=x4.ppm,x5.jpg", make_ppm(8, 6)).json()
    assert (posted["width"], posted["height"], posted["content_type"]) == (8, 6, CONTENT_TYPE)
    names = ["original", "info.json", "x4.ppm", "x5.jpg"]
    folder = daemon.folder / "remote" / "scans" / posted["partitionedHash"]
    until(lambda: all((folder / name).is_file() for name in names), daemon)
    base = f"/scans/{posted['partitionedHash']}"
    for _ in ("rendered", "stored"):
        answer = daemon.get(f"{base}/w2.ppm")
        assert (answer.status, answer.headers["content-type"]) == (200, CONTENT_TYPE)
        assert answer.body.startswith(b"P6\n2 2\n255\n")
    assert daemon.get(f"{base}/original").headers["content-type"] == CONTENT_TYPE
    assert daemon.get(f"{base}/x5.jpg").headers["content-type"] == "image/jpeg"
    assert daemon.post(f"{base}/process?outputs=x3.ppm").json()["outputs"][0]["state"] == "ready"
    described = daemon.get(f"{base}/info.json").json()
    assert {row["name"]: row["state"] for row in described["outputs"]}["w2.ppm"] == "ready"


def test_a_namespace_that_does_not_list_it_refuses_it(daemon: Daemon) -> None:
    """The output is 406, as one in an unknown format is, and the original is no picture."""
    refused = daemon.post("/p", make_ppm(8, 6))
    unknown = daemon.post("/p", b"BM and so on")
    assert refused.status == unknown.status
    posted = daemon.post("/p", make_png()).json()
    base = f"/p/{posted['partitionedHash']}"
    assert daemon.get(f"{base}/x4.ppm").status == 406
    assert daemon.get(f"{base}/x4.bmp").status == 406
    assert daemon.post("/p?outputs=x4.ppm", make_png()).status == 406


def run(folder: Path, environ: dict[str, str], command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of imaged to its end, on the settings in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "imaged", command, "-c", "imaged.yaml", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_batch_takes_it(tmp_path: Path, environ: dict[str, str]) -> None:
    """`imaged process` recognises the file, and renders what the namespace lists."""
    (tmp_path / "imaged.yaml").write_text(SETTINGS)
    (tmp_path / "scan").write_bytes(make_ppm(8, 6))
    ended = run(tmp_path, environ, "process", "--outputs", "x4.ppm,x5.jpg", "--namespace", "scans", "scan")
    assert ended.returncode == 0, ended.stderr
    names = {path.name for path in (tmp_path / "remote").rglob("*") if path.is_file()}
    assert names == {"original", "info.json", "x4.ppm", "x5.jpg"}
    (record,) = (tmp_path / "remote").rglob("info.json")
    assert json.loads(record.read_text())["content_type"] == CONTENT_TYPE


def test_the_check_knows_it(tmp_path: Path, environ: dict[str, str]) -> None:
    """Settings that list it are right with the plugin, and a fault at their line without it."""
    for processors, said in (("magick, ppm", ""), ("magick", "imaged.yaml:5: namespaces.scans.extensions.4: expected")):
        (tmp_path / "imaged.yaml").write_text(SETTINGS.replace("magick, ppm", processors))
        ended = run(tmp_path, environ, "check")
        assert (ended.returncode, ended.stderr.startswith(said)) == (1 if said else 0, True), ended.stderr
