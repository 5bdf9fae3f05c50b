"""`imaged render` makes outputs of a local file with the settings, and touches nothing but their files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SETTINGS = """
uploader: s3
plugins: {s3: {bucket: nowhere}}
images: {maximum_width: 700, auto_formats: [webp], presets: {hero: {size: 200x100, gravity: n}}}
namespaces: {small: {maximum_width: 100}}
access: {tokens: [{name: a, token: {env: A_TOKEN_OF_THE_SERVICE}}]}
"""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Write a JPEG of 640x400, with settings beside it that name a remote store."""
    path = tmp_path / "picture.jpg"
    Image.linear_gradient("L").resize((640, 400)).convert("RGB").save(path)
    (tmp_path / "imaged.yaml").write_text(SETTINGS)
    return path


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a picture."""
    with Image.open(path) as image:
        return image.size


def render(picture: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder of the picture, with the settings there."""
    command = [sys.executable, "-m", "imaged", "render", "-c", "imaged.yaml", picture.name, *arguments]
    return subprocess.run(command, cwd=picture.parent, capture_output=True, text=True, check=False)


def test_outputs_are_written_and_printed(picture: Path) -> None:
    """Each output is a file under its name, and a line with its size, bytes and time; no other file is left."""
    done = render(picture, "w320.jpg", "300x200-gn.png,w320.auto", "hero-q50.webp", "-o", "new/out")
    assert (done.returncode, done.stderr) == (0, "")
    sizes = {"w320.jpg": (320, 200), "300x200-gn.png": (300, 200), "w320.webp": (320, 200)}
    sizes["hero-q50.webp"] = (200, 100)
    folder = picture.parent / "new" / "out"
    assert {path.name: size_of(path) for path in folder.iterdir()} == sizes
    lines = done.stdout.splitlines()
    assert "w320.auto is w320.webp or w320.jpg, as the client accepts" in lines
    for name, (width, height) in sizes.items():
        size_bytes = (folder / name).stat().st_size
        pattern = re.compile(rf"new/out/{re.escape(name)}  {width}x{height} px  {size_bytes} bytes  \d+ ms")
        assert len([line for line in lines if pattern.fullmatch(line)]) == 1
    assert sorted(path.name for path in picture.parent.iterdir()) == ["imaged.yaml", "new", "picture.jpg"]


def test_failures_end_with_1_after_the_other_outputs(picture: Path) -> None:
    """An output that the policy refuses is named; the others are written over older files, but not over the picture."""
    (picture.parent / "w90.jpg").write_text("old")
    before = picture.read_bytes()
    picture = picture.rename(picture.with_name("w80.jpg"))
    done = render(picture, "w200.jpg", "w80.jpg", "other.auto", "w90.jpg", "--namespace", "small")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "w200.jpg is wider than 100 pixels, the most allowed here",
        "w80.jpg is the picture itself, which is not overwritten: give another folder with -o",
        "other.auto is not an output: other is no preset of this namespace",
    ]
    assert size_of(picture.parent / "w90.jpg") == (90, 56)
    assert picture.read_bytes() == before


def test_what_is_no_picture_fails(picture: Path) -> None:
    """A file that is missing or no picture is an error of one line, and no file is written."""
    (picture.parent / "text.jpg").write_text("text")
    done = render(picture.with_name("text.jpg"), "w90.jpg")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    done = render(picture.with_name("missing.jpg"), "w90.jpg")
    assert (done.returncode, done.stderr) == (1, "missing.jpg cannot be read: No such file or directory\n")
    assert not (picture.parent / "w90.jpg").exists()


def test_a_wrong_command_line_is_refused(picture: Path) -> None:
    """A name outside the grammar ends with status 2 before anything is read."""
    done = render(picture, "w90.jpg", "90.jpg")
    assert done.returncode == 2
    assert "'90.jpg' is not an output" in done.stderr
    assert not (picture.parent / "w90.jpg").exists()
