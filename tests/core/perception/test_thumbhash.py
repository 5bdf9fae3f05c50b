"""A ThumbHash is what the reference implementation makes of the same pixels, and it shows the picture."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sample_pictures import sample_of, scene

from imaged.core.geometry import Size
from imaged.core.perception.thumbhash import thumbhash
from imaged.core.samples import Sample

REFERENCE = Path(__file__).parents[3] / "build" / "node" / "node_modules" / "thumbhash"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir() or shutil.which("node") is None,
    reason="no reference implementation: npm install --prefix build/node thumbhash",
)


def _reference(script: str, given: object) -> object:
    """Return what a script makes of `given`, with the reference implementation."""
    module = json.dumps(str(REFERENCE / "thumbhash.js"))
    program = f"""
    import {{ rgbaToThumbHash, thumbHashToRGBA }} from {module};
    import {{ readFileSync }} from 'node:fs';
    const given = JSON.parse(readFileSync(0, 'utf8'));
    {script}
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def _encoded_by_reference(sample: Sample) -> bytes:
    script = "console.log(JSON.stringify([...rgbaToThumbHash(given.w, given.h, Uint8Array.from(given.rgba))]))"
    values = _reference(script, {"w": sample.size.width_px, "h": sample.size.height_px, "rgba": list(sample.rgba)})
    assert isinstance(values, list)
    return bytes(values)


@needs_reference
@pytest.mark.parametrize("size", [(32, 32), (32, 21), (7, 32), (1, 1), (32, 1), (2, 32)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_hash_is_that_of_the_reference(size: tuple[int, int], mode: str) -> None:
    """The bits are the same, for any aspect; a frequency at the limit between two steps may be rounded to either."""
    image = scene().resize(size).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(size))
    sample = sample_of(image)
    ours, known = base64.b64decode(thumbhash(sample)), _encoded_by_reference(sample)
    apart = [abs(one % 16 - other % 16) + abs(one // 16 - other // 16) for one, other in zip(ours, known, strict=True)]
    assert ours[:5] == known[:5]
    assert max(apart) <= 1
    assert sum(apart) <= 1


@needs_reference
def test_the_reference_decoder_shows_the_picture() -> None:
    """What a page shows is as wide as the picture and has its colours at the same places."""
    hash = list(base64.b64decode(thumbhash(sample_of(scene()))))
    script = """
    const {w, h, rgba} = thumbHashToRGBA(Uint8Array.from(given));
    console.log(JSON.stringify([w, h, [...rgba]]))
    """
    decoded = _reference(script, hash)
    assert isinstance(decoded, list)
    width_px, height_px, rgba = decoded
    assert width_px / height_px == pytest.approx(300 / 200, abs=0.2)
    shown = Image.frombytes("RGBA", (width_px, height_px), bytes(rgba)).convert("RGB")
    small = scene().resize(shown.size, Image.Resampling.BOX)
    for x, y in ((0.1, 0.2), (0.5, 0.2), (0.1, 0.9), (0.6, 0.9)):
        at = (int(x * width_px), int(y * height_px))
        assert shown.getpixel(at) == pytest.approx(small.getpixel(at), abs=45)


KNOWN = {
    "transparent": (Image.new("RGBA", (32, 16), (0, 0, 0, 0)), "AAiCA4AAAAAAAAAAAAAAAAAAAAAAAAA="),
    "scene": (scene(), "YacRZYh4h4ePd3h2iGeHiYZwGKgJ"),
}
"""Hashes that the reference implementation made: thumbhash 0.1.1 of npm."""


@pytest.mark.parametrize("name", KNOWN)
def test_known_hashes(name: str) -> None:
    """The hash is that of the reference, also where it is not installed."""
    image, known = KNOWN[name]
    assert thumbhash(sample_of(image)) == known


@needs_reference
@pytest.mark.parametrize("colour", [(255, 0, 0), (255, 255, 255), (0, 0, 0), (90, 91, 92)])
def test_a_plain_picture_is_shown_plain(colour: tuple[int, int, int]) -> None:
    """Rounding errors of a picture of one colour are no frequencies."""
    hash = list(base64.b64decode(thumbhash(sample_of(Image.new("RGB", (32, 32), colour)))))
    script = "const {w, h, rgba} = thumbHashToRGBA(Uint8Array.from(given)); console.log(JSON.stringify([...rgba]))"
    rgba = _reference(script, hash)
    assert isinstance(rgba, list)
    assert rgba == pytest.approx([*colour, 255] * (len(rgba) // 4), abs=6)


@settings(max_examples=50)
@given(st.integers(1, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_any_sample_has_a_short_hash(width_px: int, height_px: int, random: Random) -> None:
    """A hash has at most 25 bytes or so, whatever the pixels are."""
    rgba = random.randbytes(4 * width_px * height_px)
    hash = thumbhash(Sample(Size(width_px, height_px), rgba, transparency=True))
    assert 5 <= len(base64.b64decode(hash)) <= 30
