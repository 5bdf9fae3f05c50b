"""The programs of Prometheus, which check our files; Debian's package prometheus has them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

LONGEST_S = 60.0


def find_program(name: str) -> str:
    """Return the path of a program of Prometheus; skip the test if it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: install Debian's package prometheus")
    return found


def run_promtool(*arguments: str | Path, given: bytes = b"") -> None:
    """Run promtool with `given` on its standard input; fail with its output unless it exits with 0."""
    command = [find_program("promtool"), *map(str, arguments)]
    ended = subprocess.run(command, input=given, capture_output=True, timeout=LONGEST_S, check=False)
    said = (ended.stdout + ended.stderr).decode(errors="replace")
    assert ended.returncode == 0, said
