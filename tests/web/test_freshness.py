"""How long caches keep answers with pictures of origins."""

from __future__ import annotations

import pytest

from imaged.core.hashes import ImageHash, ImageId
from imaged.pipeline.origins import OriginPicture
from imaged.store.disk import FileBody
from imaged.web.files import CHANGING, LASTING
from imaged.web.freshness import Freshness

A, B = (Freshness.of(OriginPicture(ImageId("p", ImageHash(digit * 32)), 100, 60, 5_000, False), 1000) for digit in "ab")


@pytest.mark.parametrize(
    ("now_s", "caching", "age"),
    [(1000, LASTING, 100), (1030.5, LASTING, 69), (1050, LASTING, 60), (9000, LASTING, 60), (1000, CHANGING, 100)],
)
def test_an_answer_lasts_for_what_is_left_and_a_minute_at_least(now_s: float, caching: bytes, age: int) -> None:
    """It is never called immutable."""
    assert A.limit("", caching, now_s)[1] == b"public, max-age=%d" % age


def test_a_preset_lasts_for_five_minutes_at_most() -> None:
    """As by its hash."""
    long = Freshness(9000, 60, 0, "a")
    assert long.limit("", CHANGING, 0)[1] == CHANGING
    assert long.limit("", LASTING, 0)[1] == b"public, max-age=9000"


def test_pictures_of_one_path_differ_in_their_tags() -> None:
    """Two files may have the same size and date."""
    assert A.limit("", LASTING, 0)[0] == "aaaaaaaa"
    assert B.limit("webp", LASTING, 0)[0] == "webp-bbbbbbbb"


def test_a_file_is_dated_when_its_path_got_it() -> None:
    """A client with a date gets an older picture that has come back; a file that was rendered later keeps its date."""
    assert A.dated(FileBody(b"", 1_000)).modified_ns == 5_000
    assert A.dated(FileBody(b"", 9_000)).modified_ns == 9_000
