"""Our policy limits ImageMagick to four formats, for all code in the process, whatever the system's policy allows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imaged.machine import memory_bytes

ALLOW_ALL = """
<policymap>
  <policy domain="resource" name="map" value="9GiB"/>
  <policy domain="resource" name="disk" value="9GiB"/>
  <policy domain="resource" name="width" value="9MP"/>
  <policy domain="resource" name="height" value="9MP"/>
  <policy domain="resource" name="list-length" value="1"/>
  <policy domain="resource" name="file" value="0"/>
  <policy domain="resource" name="thread" value="4"/>
  <policy domain="resource" name="throttle" value="1"/>
  <policy domain="resource" name="time" value="1"/>
  <policy domain="delegate" rights="read|write|execute" pattern="*"/>
  <policy domain="filter" rights="read|write|execute" pattern="*"/>
  <policy domain="path" rights="read|write|execute" pattern="*"/>
  <policy domain="module" rights="read|write|execute" pattern="*"/>
  <policy domain="coder" rights="read|write|execute" pattern="*"/>
</policymap>
"""
"""A policy of a system that allows everything, and limits what a server needs."""
HOSTILE = "the system allows all"

HOOK = """
import json, os, sys
import imaged_magick
from imaged.testing.fakes import make_host
from imaged.testing.pictures import *
processor = imaged_magick.imaged_processor(make_host("magick"))
from wand.api import library, libmagick
from wand.exceptions import WandException
from wand.image import Image
from wand.resource import limits
"""
OPEN = """
outcomes = []
for source in sys.argv[1:]:
    try:
        with Image(**eval(source)) as image:
            outcomes.append(f"opened {image.size}")
    except WandException as error:
        outcomes.append(f"refused {error}")
print(json.dumps(outcomes))
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'
OURS = [f"dict(blob=make_{name}(), format={name!r})" for name in ("gif", "jpeg", "png", "webp")]
OTHERS = [
    f"dict(blob={SVG!r}, format='svg')",
    f"dict(blob={SVG!r}, format='msvg')",
    f"dict(blob={SVG!r})",
    "dict(blob=b'push graphic-context fill red rectangle 0,0 5,5 pop graphic-context', format='mvg')",
    "dict(blob=b'<msl></msl>', format='msl')",
    "dict(blob=b'P3 1 1 255 1 2 3', format='ppm')",
    "dict(blob=make_png(), format='png8')",
    "dict(filename='text:/etc/hostname')",
    "dict(filename='label:@/etc/hostname')",
    "dict(filename='caption:hello')",
    "dict(filename='xc:red')",
    "dict(filename='http://127.0.0.1:9/x.png')",
    "dict(filename='@/etc/hostname')",
    "dict(filename='png:/etc/hostname')",
    "dict(filename='png:-')",
]


def run(folder: Path, program: str, *args: str, policy: str = "") -> Any:
    """Return the JSON that a program prints, on a system with this policy, if any, in each place but our own."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAGICK_")}
    if policy:
        for name in ("system", "home/.magick", "home/.config/ImageMagick", "xdg/ImageMagick"):
            (folder / name).mkdir(parents=True)
            (folder / name / "policy.xml").write_text(policy)
        places = {"MAGICK_CONFIGURE_PATH": "system", "HOME": "home", "XDG_CONFIG_HOME": "xdg"}
        environ |= {name: str(folder / place) for name, place in places.items()}
        environ |= {"MAGICK_DISK_LIMIT": "9GiB", "MAGICK_MAP_LIMIT": "9GiB"}
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, check=False, env=environ
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["", ALLOW_ALL], ids=["the system as it is", HOSTILE])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what ImageMagick does with each source, in one process."""
    sources = [*OURS, *OTHERS]
    outcomes = run(tmp_path_factory.mktemp("system"), HOOK + OPEN, *sources, policy=request.param)
    return dict(zip(sources, outcomes, strict=True))


@pytest.mark.parametrize("source", OTHERS)
def test_everything_else_is_refused(opened: dict[str, str], source: str) -> None:
    """Vector formats, scripts, texts, other files and URLs are refused even to direct calls of Wand."""
    assert opened[source].startswith("refused")
    assert "security policy" in opened[source] or "no decode delegate" in opened[source]


@pytest.mark.parametrize("source", OURS)
def test_ours_are_open(opened: dict[str, str], source: str) -> None:
    """The four formats that imaged reads are allowed."""
    assert opened[source].startswith("opened")


RIGHTS = """
import ctypes
count = ctypes.c_size_t()
library.MagickQueryFormats.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
library.MagickQueryFormats.restype = ctypes.POINTER(ctypes.c_char_p)
formats = library.MagickQueryFormats(b"*", ctypes.byref(count))
names = {formats[index].decode() for index in range(count.value)}
characters = [chr(number) for number in range(32, 127)]
names |= {first + second for first in characters for second in ["", *characters]}
for ours in ("JPEG", "PNG", "GIF", "WEBP"):
    for at in range(len(ours) + 1):
        names |= {ours[:at]} | {ours[:at] + each + ours[at + rest:] for each in characters for rest in (0, 1)}
names.discard("")
coder, every = 1, (1, 2, 4)
print(json.dumps(sorted(n for n in names if any(libmagick.IsRightsAuthorized(coder, r, n.encode()) for r in every))))
"""


@pytest.mark.parametrize("policy", ["", ALLOW_ALL], ids=["the system as it is", HOSTILE])
def test_no_other_coder_has_a_right(tmp_path: Path, policy: str) -> None:
    """Neither those of this ImageMagick, nor any whose name is like one of ours: a pattern has no gap."""
    assert run(tmp_path, HOOK + RIGHTS, policy=policy) == ["GIF", "JPEG", "PNG", "WEBP"]


def test_the_system_may_forbid_more(tmp_path: Path) -> None:
    """A decoder that the operator forbids in the system's policy stays forbidden."""
    policy = '<policymap><policy domain="coder" rights="none" pattern="WEBP"/></policymap>'
    gif, jpeg, png, webp = run(tmp_path, HOOK + OPEN, *OURS, policy=policy)
    assert [each.split()[0] for each in (gif, jpeg, png, webp)] == ["opened", "opened", "opened", "refused"]
    assert "security policy" in webp


LIMITS = """
first = processor
second = imaged_magick.imaged_processor(make_host("magick", {"memory_bytes": 3 * 2**26}, maximum_pixels=1000))
third = imaged_magick.imaged_processor(make_host("magick", worker_count=256))
from pathlib import Path
from imaged.api import StoreError
found = []
for each in (first, second, first, third):
    try: each.identify(Path("/nonexistent"))
    except StoreError: found.append([limits["memory"], limits["area"]])
found.append([limits[name] for name in ("map", "disk", "thread", "width", "height")])
libmagick.GetPolicyValue.restype = ctypes.c_char_p
found.append([libmagick.GetPolicyValue(b"resource:" + name).decode() for name in (b"time", b"list-length", b"file")])
print(json.dumps(found))
"""


@pytest.mark.parametrize("policy", ["", ALLOW_ALL], ids=["the system as it is", HOSTILE])
def test_limits_are_those_of_the_settings(tmp_path: Path, policy: str) -> None:
    """Our limits override the system's: no disk, no map, one thread, no end of the process after some time.

    Each job sets the memory and the area of its own generation, so a reload that fails changes nothing.
    """
    first, second, again, third, fixed, others = run(tmp_path, "import ctypes\n" + HOOK + LIMITS, policy=policy)
    assert first == again == [min(2**31, memory_bytes() // 2), 104_000_000]
    assert second == [min(3 * 2**26, memory_bytes() // 2), 4_002_000]
    assert third == [min(2**31, memory_bytes() // 2 // 256), 104_000_000]
    assert fixed == [0, 0, 1, 1_000_000, 1_000_000]
    assert others == ["1000000000", "1MP", "768"]


ENVIRONMENT = "names = ('HOME', 'XDG_CONFIG_HOME', 'MAGICK_CONFIGURE_PATH', 'MAGICK_DISK_LIMIT')\n"


def test_the_environment_is_restored(tmp_path: Path) -> None:
    """Other libraries find the home of the operator, and programs that the daemon starts find the same variables."""
    program = ENVIRONMENT + HOOK + "print(json.dumps([os.environ.get(name) for name in names]))"
    found = run(tmp_path, program, policy=ALLOW_ALL)
    assert found == [str(tmp_path / "home"), str(tmp_path / "xdg"), str(tmp_path / "system"), "9GiB"]


def test_a_reload_leaves_the_environment_alone(tmp_path: Path) -> None:
    """The threads of the daemon run then, and may read it."""
    program = """
changes = []
sys.addaudithook(lambda event, _: changes.append(event) if event in ("os.putenv", "os.unsetenv") else None)
imaged_magick.imaged_processor(make_host("magick"))
print(json.dumps(changes))
"""
    assert run(tmp_path, HOOK + program) == []


CHECK = "\nprint(json.dumps(processor.self_check()))"
STARTED = "from wand.api import library; library.MagickWandGenesis()\n"
STOPPING = ("list-length", "file", "throttle", "time")
ALLOW_ALL_AND_SERVE = "\n".join(line for line in ALLOW_ALL.splitlines() if not any(name in line for name in STOPPING))
ALLOW_LATER = """
libmagick.AcquireExceptionInfo.restype = ctypes.c_void_p
policy = open(os.environ["MAGICK_CONFIGURE_PATH"] + "/policy.xml", "rb").read()
assert libmagick.SetMagickSecurityPolicy(policy, ctypes.c_void_p(libmagick.AcquireExceptionInfo()))
for name in ("map", "disk", "width", "height"):
    limits[name] = 9_000_000_000
"""


@pytest.mark.parametrize("policy", ["", ALLOW_ALL], ids=["the system as it is", HOSTILE])
def test_a_self_check_finds_nothing(tmp_path: Path, policy: str) -> None:
    """With our policy in force, ImageMagick does nothing that the check tries."""
    assert run(tmp_path, HOOK + CHECK, policy=policy) == []


@pytest.mark.parametrize("policy", ["", ALLOW_ALL_AND_SERVE], ids=["the system as it is", HOSTILE])
def test_a_policy_that_is_late_holds(tmp_path: Path, policy: str) -> None:
    """Where another plugin has started ImageMagick, the rights are taken back, and the limits are narrowed."""
    assert run(tmp_path, STARTED + HOOK + CHECK, policy=policy) == []
    pictures = run(tmp_path / "again", STARTED + HOOK + OPEN, *OURS, policy=policy)
    assert [each.split()[0] for each in pictures] == ["opened"] * 4


def test_a_self_check_finds_what_is_allowed(tmp_path: Path) -> None:
    """Where another plugin allows everything afterwards, the check names what that allows."""
    program = "import ctypes\n" + STARTED + HOOK + ALLOW_LATER + CHECK
    found = run(tmp_path, program, policy=ALLOW_ALL_AND_SERVE)
    assert {f"reading {name}" for name in ("MSL", "MVG", "TIFF", "BMP", "PPM", "TEXT", "LABEL", "URL")} <= {*found}
    assert {f"reading {name}" for name in ("@file", "MPR", "INLINE", "VID", "files", "a descriptor")} <= {*found}
    assert {"writing TIFF", "writing BMP", "writing MVG", "writing files"} <= {*found}
    assert {"delegates", "filters", "standard input", "standard output"} <= {*found}
    assert {"pictures of 1000001x1 pixels", "pixels on disk or in mapped files"} <= {*found}


@pytest.mark.parametrize(("before", "lines"), [("", 0), (STARTED, 1)])
@pytest.mark.parametrize("policy", ["", ALLOW_ALL], ids=["the system as it is", HOSTILE])
def test_a_policy_that_is_late_is_logged(tmp_path: Path, before: str, lines: int, policy: str) -> None:
    """The operator learns that the system's limits count too. Our policy is never late by itself."""
    program = """
from twisted.logger import capturedLogs
with capturedLogs() as events:
    imaged_magick.imaged_processor(make_host("magick"))
print(json.dumps([event["log_format"][:29] for event in events]))
"""
    imports = HOOK.replace('processor = imaged_magick.imaged_processor(make_host("magick"))\n', "")
    told = run(tmp_path, before + imports.partition("from wand")[0] + program, policy=policy)
    assert told == ["something started ImageMagick"] * lines
