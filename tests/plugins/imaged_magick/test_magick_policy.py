"""Our policy limits ImageMagick to four formats, for all code in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

OPEN = """
import sys
from imaged_magick.environment import configure_environment, policy_in_force
configure_environment()
from imaged.testing.pictures import *
from wand.exceptions import WandException
from wand.image import Image
assert policy_in_force(), "the policy is not in force"
for source in sys.argv[1:]:
    try:
        with Image(**eval(source)) as image:
            print("opened", image.size)
    except WandException as error:
        print("refused", str(error).replace("\\n", " "))
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'
OURS = [f"dict(blob=make_{name}(), format={name!r})" for name in ("gif", "jpeg", "png", "webp")]
OTHERS = [
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
]


@pytest.fixture(scope="module")
def opened() -> dict[str, str]:
    """Return what ImageMagick does with each source, in one process."""
    sources = [*OURS, *OTHERS]
    done = subprocess.run([sys.executable, "-c", OPEN, *sources], capture_output=True, text=True, check=True)
    return dict(zip(sources, done.stdout.splitlines(), strict=True))


@pytest.mark.parametrize("source", OTHERS)
def test_everything_else_is_refused(opened: dict[str, str], source: str) -> None:
    """Vector formats, scripts, texts, other files and URLs are refused even to direct calls of Wand."""
    assert opened[source].startswith("refused")


@pytest.mark.parametrize("source", OURS)
def test_ours_are_open(opened: dict[str, str], source: str) -> None:
    """The four formats that imaged reads are allowed."""
    assert opened[source].startswith("opened")


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
