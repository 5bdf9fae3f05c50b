"""Loads of GET requests, made by a process of their own: `wrk`, which costs least, or `get_load.py`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent

Figures = dict[str, float]
"""`answers`, `elapsed_s`, `per_s`, `p50_ms`, `p99_ms`, and with get_load.py those of refusals."""


def get(address: str, paths: Sequence[str], connections: int, seconds: float, *, once: bool = False) -> Figures:
    """Have get_load.py ask for the paths in turn; with `once`, for each once. Raises RuntimeError when that fails."""
    url = urlsplit(address)
    command = [sys.executable, str(HERE / "get_load.py"), str(url.hostname), str(url.port)]
    options = ["--connections", str(connections), "--seconds", str(seconds), *(["--once"] if once else [])]
    return _figures([*command, *options], "\n".join(paths), seconds, "get_load.py")


def hit(address: str, path: str, connections: int, seconds: float) -> Figures:
    """Ask for one path on one thread, with wrk if it is here. Raises RuntimeError when an answer is not 200."""
    wrk = shutil.which("wrk")
    if wrk is None or seconds < 1:  # wrk knows whole seconds only
        return get(address, [path], connections, seconds)
    command = [wrk, "-t1", f"-c{connections}", f"-d{int(seconds)}s", "-s", str(HERE / "wrk.lua")]
    figures = _figures([*command, address + path], "", seconds, "wrk")
    if figures["failed"]:
        raise RuntimeError(f"{figures['failed']:.0f} of {figures['answers']:.0f} requests for {address}{path} failed")
    return figures


def _figures(command: Sequence[str], given: str, seconds: float, name: str) -> Figures:
    done = subprocess.run(command, input=given, check=False, capture_output=True, text=True, timeout=seconds + 120)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr.strip() or done.stdout.strip()}")
    seen: Figures = json.loads(done.stdout.splitlines()[-1])
    return seen
