"""Variants: which JPEGs are progressive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imaged.api import Fill, Output, Size
from imaged.core.variants import Progressive
from imaged.testing.processors import make_variant

VARIANT = make_variant(Output(Fill(400, 250), "jpg"))


@pytest.mark.parametrize(
    ("setting", "size", "is_progressive"),
    [
        ("auto", Size(400, 250), False),
        ("auto", Size(401, 250), True),
        (True, Size(1, 1), True),
        (False, Size(4000, 3000), False),
    ],
)
def test_setting_and_size_decide(setting: Progressive, size: Size, *, is_progressive: bool) -> None:
    """With `auto`, a JPEG of more than 100,000 pixels is progressive; true and false hold for every size."""
    assert replace(VARIANT, progressive=setting).is_progressive(size) is is_progressive
