"""Each file of an image has one name."""

from __future__ import annotations

import pytest

from imaged.core.errors import NotFoundError
from imaged.core.files import ORIGINAL, RECORD, ImageFile, parse_file
from imaged.core.outputs import parse

NAMES = {"original": ORIGINAL, "info.json": RECORD, "x300.jpg": parse("x300.jpg")}


@pytest.mark.parametrize(("name", "file"), NAMES.items())
def test_a_name_means_its_file(name: str, file: ImageFile) -> None:
    """`parse_file` and `str` round-trip."""
    assert parse_file(name) == file
    assert str(file) == name


@pytest.mark.parametrize("name", ["", "Original", "original.jpg", "info.json/", "../original", "x300"])
def test_any_other_name_is_refused(name: str) -> None:
    """Other names raise NotFoundError."""
    with pytest.raises(NotFoundError):
        parse_file(name)
