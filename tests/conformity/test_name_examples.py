"""`docs/names.md` shows each form of a name with its result; `make docs-examples` renders the results."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from source_tree import ROOT

from imaged.commands.configuration import read
from imaged.core.details import ImageDetails
from imaged.core.formats import FORMATS
from imaged.core.geometry import Size
from imaged.core.gravities import Compass, FocalPoint, Smart
from imaged.core.outputs import AUTO, Fill, Fit, FullSize, Output, Pad, Preset, parse

FOLDER = ROOT / "docs" / "examples"
SETTINGS = FOLDER / "imaged.yaml"
ORIGINAL = FOLDER / "original.png"
ROW = re.compile(r"^\| `([^`]+)` \| .* \| ([0-9]+)x([0-9]+) \| (.*) \|$", re.MULTILINE)
ROWS = {
    name: (Size(int(width), int(height)), shown)
    for name, width, height, shown in ROW.findall((ROOT / "docs" / "names.md").read_text(encoding="utf-8"))
}
OUTPUTS = [parse(name) for name in ROWS]
DETAILS = ImageDetails(1, False, 1, None, "", "#000000", "#000000", "0" * 16, FocalPoint(50, 50))


def size_of(path: Path) -> Size:
    """Return the size of a picture by Pillow."""
    with Image.open(path) as image:
        return Size(*image.size)


def form_of(output: Output) -> str:
    """Return how the grammar calls the size and the gravity of an output."""
    match output.sizing:
        case Fit(width_px, height_px):
            return "w" if height_px is None else "h" if width_px is None else "f"
        case Pad():
            return "p"
        case Fill(width_px, height_px, gravity):
            square = "x" if width_px == height_px else "WxH"
            return square if gravity is None else "-gXxY" if isinstance(gravity, FocalPoint) else f"-g{gravity}"
        case FullSize():
            return "full_size"
        case Preset():
            return "preset"


def test_each_form_of_a_name_has_an_example() -> None:
    """The page has each kind of size, each gravity, a quality, and `auto`."""
    sides = [f"-g{each}" for each in (*Compass, Smart())]
    assert {form_of(output) for output in OUTPUTS} >= {
        "w",
        "h",
        "f",
        "p",
        "x",
        "WxH",
        "full_size",
        "preset",
        "-gXxY",
        *sides,
    }
    assert any(output.quality for output in OUTPUTS)
    assert any(output.extension == AUTO for output in OUTPUTS)


@pytest.mark.parametrize("name", ROWS)
def test_an_example_has_the_size_of_its_plan(name: str) -> None:
    """The size in the page, that of the file, and that of the plan are equal; the file is the one of the name."""
    size, shown = ROWS[name]
    loaded = read(SETTINGS, ())
    assert loaded.faults == ()
    output = parse(name)
    if output.extension == AUTO:
        output = Output(output.sizing, "webp", output.quality)
        assert f"`{output}`" in shown
    else:
        assert shown == f"![{name}](examples/{name})"
    assert loaded.settings.images.resolve(output, FORMATS, DETAILS).plan(size_of(ORIGINAL)).size == size
    assert size_of(FOLDER / str(output)) == size


def test_the_program_renders_the_examples_alike(tmp_path: Path) -> None:
    """What the program makes today looks like the files of the page; other libraries may change a few levels."""
    names = [name for name in ROWS if not name.endswith(f".{AUTO}")]
    command = [sys.executable, "-m", "imaged", "render", "-c", str(SETTINGS), "-o", str(tmp_path), str(ORIGINAL)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    for name in names:
        with Image.open(FOLDER / name) as old, Image.open(tmp_path / name) as new:
            apart = ImageStat.Stat(ImageChops.difference(old.convert("RGBA"), new.convert("RGBA"))).mean
        assert max(apart) < 4, f"{name} looks different: run make docs-examples, and look at it"


def test_no_file_is_left_over() -> None:
    """The folder has the files of the page and no others, and all together are small."""
    files = {path.name for path in FOLDER.iterdir() if path.is_file()}
    shown = {name for name in ROWS if not name.endswith(f".{AUTO}")}
    assert files == shown | {ORIGINAL.name, SETTINGS.name, "make_examples.py"}
    assert sum((FOLDER / name).stat().st_size for name in files) < 200_000
