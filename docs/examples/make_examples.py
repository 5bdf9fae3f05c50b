"""Draw the original of the page names.md, and render its examples with `imaged render`: `make docs-examples`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
PAGE = HERE.parent / "names.md"
ORIGINAL = HERE / "original.png"
SIZE = (480, 320)
_LARGER = 4  # it is drawn larger and then scaled, which makes edges smooth
_EXAMPLE = re.compile(r"!\[[^]]*\]\(examples/([^)]+)\)")
_CORNERS = {(0, 0): "#c0392b", (1, 0): "#8e44ad", (0, 1): "#2c3e50", (1, 1): "#d35400"}


def draw() -> Image.Image:
    """Return a landscape with a letter in each corner, and a balloon right of the centre."""
    width, height = (side * _LARGER for side in SIZE)
    image = Image.new("RGB", (width, height), "#bfe3f5")
    pen = ImageDraw.Draw(image)
    pen.ellipse((width * 0.16, height * 0.2, width * 0.26, height * 0.35), fill="#fff3b0")
    pen.polygon([(0, height), (0, height * 0.7), (width * 0.3, height * 0.5), (width * 0.7, height)], fill="#8fb98b")
    hill = [(width * 0.25, height), (width * 0.8, height * 0.62), (width, height * 0.75), (width, height)]
    pen.polygon(hill, fill="#6f9f6c")
    x, y, radius = width * 0.72, height * 0.36, height * 0.17
    low = y + radius * 0.6
    pen.polygon([(x - radius * 0.8, low), (x + radius * 0.8, low), (x, y + radius * 1.7)], fill="#b8322a")
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#e74c3c")
    pen.ellipse((x - radius * 0.4, y - radius, x + radius * 0.4, y + radius), fill="#f9e04c")
    pen.rectangle((x - radius * 0.22, y + radius * 1.6, x + radius * 0.22, y + radius * 2), fill="#5d3a1a")
    side, font = height * 0.16, ImageFont.load_default(height * 0.12)
    for ((right, bottom), colour), letter in zip(_CORNERS.items(), "ABCD", strict=True):
        left, top = right * (width - side), bottom * (height - side)
        pen.rectangle((left, top, left + side, top + side), fill=colour)
        pen.text((left + side / 2, top + side / 2), letter, fill="white", font=font, anchor="mm")
    return image.resize(SIZE, Image.Resampling.LANCZOS).quantize(128, dither=Image.Dither.NONE)


def examples() -> list[str]:
    """Return the names of the examples that the page shows, each once."""
    found = _EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    return [name for name in dict.fromkeys(found) if name != ORIGINAL.name]


def render(folder: Path) -> None:
    """Render the examples of the page into a folder."""
    command = [sys.executable, "-m", "imaged", "render", "-c", str(HERE / "imaged.yaml"), "-o", str(folder)]
    subprocess.run([*command, str(ORIGINAL), *examples()], check=True)


if __name__ == "__main__":
    for old in HERE.glob("*.webp"):
        old.unlink()
    draw().save(ORIGINAL, optimize=True)
    render(HERE)
