"""The decoder shrinks a JPEG as far as the outputs allow."""

from __future__ import annotations

from imaged.api import Fill, Fit, FullSize, Size, plan
from imaged_magick.resizing import jpeg_size_hint


def test_decode_hint_is_capped() -> None:
    """The hint is twice the largest size needed, in the file's axes, and never larger than the original."""
    size = Size(4000, 3000)
    small = [plan(size, Fit(500)), plan(size, Fill(300, 400))]
    assert jpeg_size_hint(size, small, 1) == "1066x800"
    assert jpeg_size_hint(size, small, 6) == "800x1066"
    assert jpeg_size_hint(size, [*small, plan(size, Fit(2000))], 1) is None
    assert jpeg_size_hint(size, [*small, plan(size, FullSize())], 1) is None
