"""The form on /try makes names that imaged accepts."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import product

import pytest

from imaged.core.outputs import parse
from imaged.statuspage.page import read_file

KINDS = ("w", "h", "f", "p", "x", "full_size", "hero", "fill", "constructor")
GRAVITIES = ("", "c", "n", "ne", "e", "se", "s", "sw", "w", "nw", "sm", "point")
FILLED = {"": "", "point": "-g0x100", **{gravity: f"-g{gravity}" for gravity in GRAVITIES[1:-1]}}


def expected(kind: str, height: str, gravity: str) -> str:
    """Return the size that a name has for a width of 300 px, as docs/names.md says it."""
    if kind == "x":
        return ("x300" if height == "300" else "300x400") + FILLED[gravity]
    return {"w": "w300", "h": f"h{height}", "f": f"f300x{height}", "p": f"p300x{height}"}.get(kind, kind)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node: apt-get install nodejs")
def test_each_choice_makes_its_name() -> None:
    """Each kind, gravity and quality gives the one name that the grammar has for it."""
    choices = list(product(KINDS, ("300", "400"), GRAVITIES, ("", "50"), ("auto", "webp")))
    keys = ("kind", "height", "gravity", "quality", "format")
    values = [dict(zip(keys, each, strict=True)) | {"width": "300", "x": "0", "y": "100"} for each in choices]
    script = f"{read_file('names.js')}\nconsole.log(JSON.stringify({json.dumps(values)}.map(nameOf)))"
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True, timeout=60)
    names = json.loads(done.stdout)
    for name, (kind, height, gravity, quality, extension) in zip(names, choices, strict=True):
        assert name == f"{expected(kind, height, gravity)}{f'-q{quality}' if quality else ''}.{extension}"
        assert str(parse(name)) == name
