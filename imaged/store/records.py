"""The record of an original, info.json: what it says, and how it is read and written. No disk is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from typing import Any

from imaged.core.details import ImageDetails
from imaged.core.errors import NotFoundError
from imaged.core.gravities import FocalPoint
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageInfo

MAXIMUM_RECORD_BYTES = 65_536
"""A longer file is no record. It may come from a remote store that other programs write to."""


def describe(info: ImageInfo, partitions: Sequence[int]) -> dict[str, object]:
    """Return a record as it stands in info.json and in answers."""
    record: dict[str, object] = {
        "hash": str(info.hash),
        "partitionedHash": info.hash.partition(partitions),
        "width": info.width_px,
        "height": info.height_px,
        "content_type": info.content_type,
        "size": info.size_bytes,
        "sha256": info.sha256,
    }
    return record | asdict(info.details) if info.details else record


def encode(info: ImageInfo, partitions: Sequence[int]) -> bytes:
    """Return the bytes of info.json."""
    return json.dumps(describe(info, partitions), indent=1).encode() + b"\n"


def decode(body: bytes, image: ImageId) -> ImageInfo | None:
    """Read the bytes of info.json; return None when they are no complete, sound record of this image."""
    try:
        record = json.loads(body)
        info = ImageInfo(
            hash=ImageHash(record["hash"]),
            width_px=int(record["width"]),
            height_px=int(record["height"]),
            content_type=str(record["content_type"]),
            size_bytes=int(record["size"]),
            sha256=str(record["sha256"]),
            details=_details(record),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, NotFoundError):
        return None
    sound = info.content_type.startswith("image/") and min(info.width_px, info.height_px, info.size_bytes) > 0
    return info if sound and info.hash == image.hash else None


def _details(record: Mapping[str, Any]) -> ImageDetails | None:
    """Read what a record says of the pixels; return None for one that does not say all of it, or says nonsense."""
    try:
        fields = {field.name: record[field.name] for field in dataclass_fields(ImageDetails)}
        details = ImageDetails(**fields | {"focal_point": FocalPoint(**fields["focal_point"])})
    except (KeyError, TypeError):
        return None
    return details if details.is_sound else None
