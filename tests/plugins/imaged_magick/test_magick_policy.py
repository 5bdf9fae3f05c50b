"""Our policy limits ImageMagick to four formats, for all code in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
import sys
from imaged_magick.environment import configure_environment
configure_environment()
from imaged_magick.imagemagick import library_version, policy_in_force
from wand.exceptions import WandException
from wand.image import Image
assert policy_in_force(), "the policy is not in force"
try:
    with Image(**eval(sys.argv[1])) as image:
        print("opened", image.size)
except WandException as error:
    print("refused", error)
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'


@pytest.mark.parametrize(
    "asked",
    [
        f"dict(blob={SVG!r}, format='svg')",
        f"dict(blob={SVG!r}, format='msvg')",
        f"dict(blob={SVG!r})",
        "dict(blob=b'push graphic-context fill red rectangle 0,0 5,5 pop graphic-context', format='mvg')",
        "dict(blob=b'<image><read filename=\"/etc/hostname\"/></image>', format='msl')",
        "dict(blob=b'P3 1 1 255 1 2 3', format='ppm')",
        "dict(filename='text:/etc/hostname')",
        "dict(filename='label:@/etc/hostname')",
        "dict(filename='caption:hello')",
        "dict(filename='xc:red')",
        "dict(filename='http://127.0.0.1:9/x.png')",
        "dict(filename='@/etc/hostname')",
    ],
)
def test_everything_else_is_refused(asked: str) -> None:
    """Vector formats, scripts, texts, other files and URLs are refused even to direct calls of Wand."""
    assert _ask(asked).startswith("refused")


def test_ours_is_open() -> None:
    """The four formats that imaged reads are allowed."""
    png = "__import__('imaged.testing.pictures').testing.pictures.make_png()"
    assert _ask(f"dict(blob={png}, format='PNG')") == "opened (48, 32)\n"


def test_resources_come_from_memory_alone() -> None:
    """Our resource limits override the system's: no disk, no map, one thread, and the operator's memory."""
    program = """
from typing import Any
import imaged_magick
class Host:
    def options(self, model: Any) -> Any: return model(memory_bytes=3 * 2**30)
imaged_magick.imaged_processor(Host())
from wand.resource import limits
print(limits["memory"], limits["map"], limits["disk"], limits["thread"], limits["width"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(3 * 2**30), "0", "0", "1", "1000000"]


def _ask(asked: str) -> str:
    done = subprocess.run([sys.executable, "-c", ASK, asked], capture_output=True, text=True, check=True)
    return done.stdout
