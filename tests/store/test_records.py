"""A record is read back as it was written, and an unsound one is not trusted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imaged.core.details import ImageDetails
from imaged.core.files import RECORD
from imaged.core.gravities import FocalPoint
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageInfo
from imaged.store.local import LocalStore
from imaged.store.records import MAXIMUM_RECORD_BYTES, decode, describe, encode

IMAGE = ImageId("p", ImageHash("f840ee339d264d4bab1b169a653b1a91"))
FACTS = ImageInfo(IMAGE.hash, 400, 520, "image/jpeg", 81_234, "0" * 64)
DETAILS = ImageDetails(
    frames=2,
    transparency=True,
    orientation=6,
    profile="Display P3",
    thumbhash="YacRZYh4h4ePd3h2iGeHiYZwGKgJ",
    average_color="#102030",
    dominant_color="#ffffff",
    dhash="0123456789abcdef",
    focal_point=FocalPoint(30, 60),
)
SOUND: dict[str, Any] = {
    "hash": str(IMAGE.hash), "width": 400, "height": 520, "content_type": "image/jpeg", "size": 81_234,
    "sha256": "0" * 64,
}  # fmt: skip
UNSOUND = {
    "empty": b"",
    "no JSON": b"\x89PNG\r\n\x1a\n",
    "half": json.dumps(SOUND).encode()[:40],
    "no text": b"\xff\xfe{}",
    "a list": b"[1, 2]",
    "null": b"null",
    "a bottomless list": b"[" * 100_000,
    "of image-server 1.x": b'{"hash":"f840ee339d264d4bab1b169a653b1a91","height":520,"width":400,'
    b'"content_type":"image/jpeg"}',
    "of another picture": json.dumps({**SOUND, "hash": "0" * 32}).encode(),
    "a hash that is none": json.dumps({**SOUND, "hash": "../../etc/passwd"}).encode(),
    "a hash that is a number": json.dumps({**SOUND, "hash": 5}).encode(),
    "no width": json.dumps({key: value for key, value in SOUND.items() if key != "width"}).encode(),
    "a width of null": json.dumps({**SOUND, "width": None}).encode(),
    "a width in words": json.dumps({**SOUND, "width": "wide"}).encode(),
    "a width of zero": json.dumps({**SOUND, "width": 0}).encode(),
    "an endless width": json.dumps({**SOUND, "width": float("inf")}).encode(),
    "a negative size": json.dumps({**SOUND, "size": -1}).encode(),
    "a foreign type": json.dumps({**SOUND, "content_type": "text/html"}).encode(),
}


def test_a_record_is_read_back() -> None:
    """The file says the same as answers."""
    body = encode(FACTS, [3, 3])
    assert decode(body, IMAGE) == FACTS
    assert json.loads(body) == {**SOUND, "partitionedHash": "f84/0ee/339d264d4bab1b169a653b1a91"}
    assert json.loads(body) == describe(FACTS, [3, 3])


def test_details_are_read_back() -> None:
    """What a look at the pixels told stands behind the other keys, the focal point by its two numbers."""
    facts = replace(FACTS, details=DETAILS)
    body = encode(facts, [3, 3])
    assert decode(body, IMAGE) == facts
    assert list(json.loads(body))[-9:] == [
        "frames", "transparency", "orientation", "profile", "thumbhash", "average_color", "dominant_color", "dhash",
        "focal_point",
    ]  # fmt: skip
    assert json.loads(body)["focal_point"] == {"x_percent": 30, "y_percent": 60}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frames", "1"), ("frames", None), ("transparency", 1), ("orientation", 2.5), ("profile", 5),
        ("thumbhash", None), ("dhash", 7), ("average_color", []), ("focal_point", None), ("focal_point", [30, 60]),
        ("focal_point", {"x_percent": 30}), ("focal_point", {"x_percent": 101, "y_percent": 0}),
        ("focal_point", {"x_percent": "a", "y_percent": 0}), ("frames", 0), ("frames", True), ("orientation", 9),
        ("profile", "two\nlines"), ("profile", "x" * 61), ("thumbhash", '"><script>'), ("average_color", "red;x:y"),
        ("dominant_color", "#FFFFFF"), ("dhash", "0123"),
    ],
)  # fmt: skip
def test_unsound_details_are_none(key: str, value: object) -> None:
    """A record with a wrong detail is one without details; its other facts are good."""
    record = json.loads(encode(replace(FACTS, details=DETAILS), [3, 3]))
    for changed in (record | {key: value}, {name: each for name, each in record.items() if name != key}):
        assert decode(json.dumps(changed).encode(), IMAGE) == FACTS


@pytest.mark.parametrize("body", UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_record_is_none(body: bytes) -> None:
    """An incomplete, foreign or broken record is not trusted: the original tells the facts again."""
    assert decode(body, IMAGE) is None


def test_unknown_keys_are_ignored() -> None:
    """A later version may write keys that this one does not know."""
    assert decode(json.dumps({**SOUND, "blurhash": "LEHV6nWB2yk8"}).encode(), IMAGE) == FACTS


def test_an_endless_record_is_read_in_part(tmp_path: Path) -> None:
    """A huge file takes no memory, and is no record."""
    store = LocalStore(tmp_path, [3, 3])
    store.originals.save_info(IMAGE, FACTS)
    assert store.originals.info(IMAGE) == FACTS
    with store.path(IMAGE, RECORD).open("ab") as file:
        file.write(b" " * MAXIMUM_RECORD_BYTES + b"x")
    assert store.originals.info(IMAGE) == FACTS
    store.path(IMAGE, RECORD).write_bytes(b" " * MAXIMUM_RECORD_BYTES + encode(FACTS, [3, 3]))
    assert store.originals.info(IMAGE) is None
