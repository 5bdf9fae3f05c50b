"""The details of a picture that a worker tells: taken as they are, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imaged.core.details import ImageDetails
from imaged.core.gravities import FocalPoint
from imaged.workers.wire import Kind, Message, MessageError
from imaged.workers.worker_jobs import LookWork

SOUND: dict[str, Any] = {
    "frames": 3,
    "transparency": True,
    "orientation": 8,
    "profile": "Display P3",
    "thumbhash": "YacRZYh4h4ePd3h2iGeHiYZwGKgJ",
    "average_color": "#102030",
    "dominant_color": "#ffffff",
    "dhash": "0123456789abcdef",
    "focal_point": [30, 60],
}
LIES: list[tuple[str, Any]] = [
    ("frames", 0),
    ("frames", 2**41),
    ("frames", True),
    ("frames", "3"),
    ("transparency", 1),
    ("orientation", 0),
    ("orientation", 9),
    ("orientation", 1.5),
    ("profile", ""),
    ("profile", "x" * 61),
    ("profile", "\x1b[2Jred"),
    ("profile", "two\nlines"),
    ("profile", "\u202eturned"),
    ("profile", "\ud800"),
    ("thumbhash", ""),
    ("thumbhash", "YacRZYh4h4ePd3h2iGeHiYZwGKg"),
    ("thumbhash", "YacR\n"),
    ("thumbhash", '"><script>alert(1)</script>'),
    ("thumbhash", "A" * 100),
    ("average_color", "red"),
    ("average_color", "#10203"),
    ("average_color", "#102030\n"),
    ("average_color", "#102030;x:y"),
    ("dominant_color", "#FFFFFF"),
    ("dhash", "0123456789abcde"),
    ("dhash", "0123456789ABCDEF"),
    ("focal_point", [30]),
    ("focal_point", [30, 101]),
    ("focal_point", [-1, 60]),
    ("focal_point", [30, 60.0]),
    ("focal_point", {"x_percent": 30, "y_percent": 60}),
    ("place", "52.5N 13.4E"),
]


def told(head: dict[str, Any], kind: Kind = Kind.DETAILS) -> ImageDetails | None:
    """Return what the daemon takes of a worker's message."""
    job = LookWork(Kind.VERIFY, Path("original"), None)
    job.take(Message(kind, json.dumps(head).encode()))
    return job.details


def test_sound_details_are_taken() -> None:
    """A picture without a profile has None."""
    plain = {name: value for name, value in SOUND.items() if name != "focal_point"}
    assert told(SOUND) == ImageDetails(**plain, focal_point=FocalPoint(30, 60))
    assert told(SOUND | {"profile": None}) is not None


@pytest.mark.parametrize(("field", "value"), LIES)
def test_other_details_are_nonsense(field: str, value: object) -> None:
    """One wrong value, or one more field, costs the worker its job."""
    with pytest.raises(MessageError):
        told(SOUND | {field: value})


@pytest.mark.parametrize("field", SOUND)
def test_incomplete_details_are_nonsense(field: str) -> None:
    """Each field is needed."""
    with pytest.raises(MessageError):
        told({name: value for name, value in SOUND.items() if name != field})


@pytest.mark.parametrize("kind", [each for each in Kind if each is not Kind.DETAILS])
def test_no_other_message_has_details(kind: Kind) -> None:
    """A message of another kind is refused, whatever it says."""
    with pytest.raises(MessageError):
        told(SOUND, kind)
