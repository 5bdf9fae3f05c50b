"""Fixtures for all tests of processors: real pictures, and Pillow as the judge."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared" / "images"
"""The folder of real pictures beside the checkout, which may be missing."""


@pytest.fixture
def shared() -> Callable[[str], bytes]:
    """Return a function that reads a real picture, and skips the test if it is missing."""

    def shared(name: str) -> bytes:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs {name} in a folder of real pictures beside the checkout")
        return path.read_bytes()

    return shared


@pytest.fixture
def opened() -> Callable[[bytes], Image.Image]:
    """Return a function that decodes bytes with Pillow."""

    def opened(body: bytes) -> Image.Image:
        image = Image.open(io.BytesIO(body))
        image.load()
        return image

    return opened
