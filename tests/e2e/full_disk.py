"""What the tests of full disks share: pictures, settings, and what a daemon says of its disks."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import yaml
from daemon import Daemon
from PIL import Image

MIB = 1 << 20

TITLES = {"Disk full", "State disk full", "Store read-only", "Store", "Job queue", "Out of service"}


def noise(seed: int, side_px: int = 300) -> bytes:
    """Return a picture that does not compress: 270 kB of PNG for 300 pixels."""
    pixels = random.Random(seed).randbytes(3 * side_px * side_px)
    body = io.BytesIO()
    Image.frombytes("RGB", (side_px, side_px), pixels).save(body, "PNG")
    return body.getvalue()


def home(body: bytes) -> str:
    """Return the folder of a picture."""
    digits = hashlib.md5(body).hexdigest()
    return f"p/{digits[:3]}/{digits[3:6]}/{digits[6:]}"


def settings(store: Path, remote: Path | None = None, **more: Any) -> str:
    """Return settings with a store there, and a remote one if given."""
    uploads = {} if remote is None else {"uploader": "folder", "plugins": {"folder": {"path": str(remote)}}}
    return yaml.safe_dump({"store": {"path": str(store)}} | uploads | more)


def titles(daemon: Daemon) -> list[str]:
    """Return the titles of the alerts about disks, without those that a small disk always has."""
    return [each["title"] for each in daemon.status()["alerts"] if each["title"] in TITLES]


def statuses(daemon: Daemon) -> set[int]:
    """Return the statuses of all answers of the public port, by the log."""
    lines = map(json.loads, filter(lambda line: line.startswith("{"), daemon.log.read_text().splitlines()))
    return {line["status"] for line in lines if "status" in line}


def lines(daemon: Daemon, text: str) -> int:
    """Count the lines of the log with a text."""
    return len(re.findall(text, daemon.log.read_text()))


def is_full(daemon: Daemon) -> bool:
    """Say whether the status has a full disk."""
    return bool(daemon.status()["store"]["is_full"])
