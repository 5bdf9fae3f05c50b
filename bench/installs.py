"""Installs the peers into the folder of the benchmark, without root. What cannot be installed is skipped, and said."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_TIMEOUT_S = 600


def thumbor(folder: Path, say: Callable[[str], None], *, may_install: bool) -> Path | None:
    """Return the program thumbor, installed from PyPI in an environment of its own, or None."""
    program = folder / "thumbor" / "bin" / "thumbor"
    if not program.exists():
        if not may_install:
            return None
        made = _run([sys.executable, "-m", "venv", str(folder / "thumbor")], say)
        pip = [str(folder / "thumbor" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "thumbor"]
        if not made or not _run(pip, say):
            return None
    return program


def ipx(folder: Path, say: Callable[[str], None], *, may_install: bool) -> Path | None:
    """Return the folder of Node's modules with ipx and sharp, installed from npm, or None."""
    modules = folder / "node" / "node_modules"
    if not (node := shutil.which("node")):
        say("  ipx is skipped: Node.js is not installed (node, npm)")
        return None
    if not (modules / "ipx").exists():
        if not may_install:
            return None
        npm = ["npm", "install", "--prefix", str(folder / "node"), "--no-save", "--no-fund", "--no-audit", "ipx"]
        (folder / "node").mkdir(parents=True, exist_ok=True)
        if not _run(npm, say):
            return None
    check = [node, "--eval", f"require('module').createRequire({str(modules / 'ipx' / 'package.json')!r})('sharp')"]
    return modules if _run(check, say) else None


def ipx_versions(modules: Path) -> str:
    """Return the versions of ipx, and of the sharp that it loads."""
    script = (
        f"const find = require('module').createRequire({str(modules / 'ipx' / 'package.json')!r}); "
        "const sharp = find('sharp').versions; "
        "`ipx ${find('./package.json').version} with sharp ${sharp.sharp}, libvips ${sharp.vips}`"
    )
    done = subprocess.run(
        [shutil.which("node") or "node", "--print", script], check=False, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip() or "ipx"


def _run(command: Sequence[str], say: Callable[[str], None]) -> bool:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"  skipped: {' '.join(command)}: {error}")
        return False
    if done.returncode:
        say(f"  skipped: {' '.join(command)} failed: {done.stderr[-500:]}")
    return done.returncode == 0
