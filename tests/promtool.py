"""The programs of Prometheus, which say what a Prometheus server makes of our files; Debian's package has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

LONGEST_S = 60.0


def find_program(name: str) -> str:
    """Return where a program of Prometheus is; the test is skipped where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: install Debian's package prometheus")
    return found


def run_promtool(*arguments: str | Path, given: bytes = b"") -> None:
    """Run promtool with `given` on its standard input, and see that it has nothing to find fault with."""
    command = [find_program("promtool"), *map(str, arguments)]
    ended = subprocess.run(command, input=given, capture_output=True, timeout=LONGEST_S, check=False)
    said = (ended.stdout + ended.stderr).decode(errors="replace")
    assert ended.returncode == 0, said
