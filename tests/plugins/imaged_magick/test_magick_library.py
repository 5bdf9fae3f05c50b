"""The library of ImageMagick is found without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imaged_magick.library import first_suffix

LISTING = """
123 libs found in cache `/etc/ld.so.cache'
\tlibMagick++-7.Q16.so.5 (libc6,x86-64) => /lib/x86_64-linux-gnu/libMagick++-7.Q16.so.5
\tlibMagickWand-7.Q16HDRI.so.10 (libc6,x86-64) => /lib/x86_64-linux-gnu/libMagickWand-7.Q16HDRI.so.10
\tlibMagickWand-6.Q16.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libMagickWand-6.Q16.so.6
"""


def test_the_library_is_the_one_that_wand_would_find() -> None:
    """ImageMagick 7 comes before 6, as in Wand; a listing without either has none."""
    assert first_suffix(LISTING) == "-7.Q16HDRI"
    assert first_suffix(LISTING.replace("Wand-7", "Core-7")) == "-6.Q16"
    assert first_suffix("") is None


def test_no_compiler_is_started(tmp_path: Path) -> None:
    """Loading ImageMagick starts no program but ldconfig."""
    if not Path("/sbin/ldconfig").exists():
        pytest.skip("no /sbin/ldconfig: on this system, Wand searches for the library by itself")
    for name in ("gcc", "cc"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch " + str(tmp_path / "started"))
        (tmp_path / name).chmod(0o755)
    load = "from imaged_magick.environment import start_imagemagick; start_imagemagick()"
    chosen = {"WAND_MAGICK_LIBRARY_SUFFIX", "MAGICK_HOME", "LD_LIBRARY_PATH"}
    environ = {name: value for name, value in os.environ.items() if name not in chosen}
    environ["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([sys.executable, "-c", load], env=environ, check=True, timeout=60)
    assert not (tmp_path / "started").exists()
