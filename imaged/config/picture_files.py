"""Reads the pictures that settings name, in place of their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

from imaged.config.faults import KeyPath, quote
from imaged.config.presets import PictureFile
from imaged.core.formats import FORMATS

MAXIMUM_BYTES = 1 << 20
"""The largest picture that settings name: it goes to a worker process with each job."""
MAXIMUM_PIXELS = 4_000_000


def read_pictures(data: Any, folder: PurePath, read_bytes: Callable[[str], bytes]) -> Iterator[tuple[KeyPath, str]]:
    """Replace the path of each watermark in `data` by its PictureFile; yield the path and the fault of each other one.

    A relative path begins at `folder`. `read_bytes` raises OSError.
    """
    for path, preset in list(_marked(data)):
        watermark = preset["watermark"]
        file = watermark.get("file")
        if isinstance(file, str):
            try:
                body = read_bytes(str(folder / file))
                watermark["file"] = PictureFile(str(file), _checked(body))
            except (OSError, ValueError) as error:
                yield path, _reason(str(folder / file), error)
                watermark.pop("file")  # without it, the rest is checked


def _marked(data: Any) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    policies: list[tuple[KeyPath, Any]] = [(("images",), _at(data, "images"))]
    namespaces = _at(data, "namespaces")
    policies += [(("namespaces", name), policy) for name, policy in namespaces.items()]
    for path, policy in policies:
        for name, preset in _at(policy, "presets").items():
            if _at(preset, "watermark"):
                yield (*path, "presets", name, "watermark", "file"), preset


def _at(data: Any, key: str) -> dict[str, Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _checked(body: bytes) -> bytes:
    format = FORMATS.sniff(body)
    size = format.read_size(body) if format else None
    if size is None:
        raise ValueError("it is not PNG, JPEG, WebP or GIF")
    if len(body) > MAXIMUM_BYTES or size.pixels > MAXIMUM_PIXELS:
        raise ValueError(f"it has more than {MAXIMUM_BYTES} bytes or {MAXIMUM_PIXELS} pixels: use a smaller one")
    return body


def _reason(file: str, error: Exception) -> str:
    reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
    return f"cannot use {quote(file)}: {reason}"
