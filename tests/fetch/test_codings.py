"""Content-Encoding: packed bodies are unpacked, and plain ones stay, whatever the header says."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.errors import SourceFailedError
from imaged.fetch.codings import Unpacking
from imaged.fetch.hashing_writer import MAXIMUM_MEMBERS
from imaged.testing.pictures import make_gif, make_jpeg, make_png, make_webp

PICTURE = make_jpeg()
PICTURES = [PICTURE, make_png(), make_gif(), make_webp()]
RAW = zlib.compressobj(wbits=-15)
DEFLATED = RAW.compress(PICTURE) + RAW.flush()

PLAIN = [
    b"", b" ", b"identity", b"none", b"base64", b"aws-chunked", b"UTF-8", b"utf-8, base64", b"binary", b"image/jpeg",
    b"8bit", b"\xff",
    b",", b"gzip", b"GZIP", b"x-gzip", b"deflate", b"br", b"zstd", b"aws-chunked, gzip", b"gzip, gzip",
]  # fmt: skip
"""Headers before plain pictures: words that are no coding, and codings that a proxy has undone."""

PACKED = [
    (b"gzip", gzip.compress(PICTURE)),
    (b"x-gzip", gzip.compress(PICTURE)),
    (b" GZip ", gzip.compress(PICTURE)),
    (b"aws-chunked,gzip", gzip.compress(PICTURE)),
    (b"identity, gzip", gzip.compress(PICTURE)),
    (b"gzip", gzip.compress(PICTURE[:300]) + gzip.compress(PICTURE[300:])),
    (b"gzip", gzip.compress(PICTURE) + gzip.compress(b"")),
    (b"gzip", gzip.compress(PICTURE) + bytes(20)),
    (b"gzip", gzip.compress(PICTURE) + b"\x1f"),
    (b"deflate", zlib.compress(PICTURE)),
    (b"deflate", DEFLATED),
    (b"deflate", zlib.compress(PICTURE) + b"\x1f\x8b and more"),
]


def unpacked(codings: Sequence[bytes], packed: bytes, step: int) -> bytes:
    """Return the unpacked body, which comes in pieces of so many bytes."""
    unpacking = Unpacking(codings)
    pieces = [packed[at : at + step] for at in range(0, len(packed), step)]
    return b"".join([b"".join(unpacking.unpack(piece)) for piece in pieces] + list(unpacking.finish()))


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("coding", PLAIN)
def test_a_plain_picture_stays_as_it_is(coding: bytes, step: int) -> None:
    """Its first bytes show that it is not packed."""
    for picture in PICTURES:
        assert unpacked([coding], picture, step) == picture
    assert unpacked([coding, b"none"], PICTURE, step) == PICTURE


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize(("coding", "packed"), PACKED)
def test_what_is_packed_is_unpacked(coding: bytes, packed: bytes, step: int) -> None:
    """In every form that web clients unpack; bytes after the end are ignored."""
    assert unpacked([coding], packed, step) == PICTURE


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        (b"br", b"\x0b\x02\x80abc\x03"),
        (b"zstd", b"\x28\xb5\x2f\xfd" + bytes(40)),
        (b"gzip, br", gzip.compress(PICTURE)),
        (b"gzip, gzip", gzip.compress(gzip.compress(PICTURE))),
        (b"gzip", gzip.compress(PICTURE)[:-9]),
        (b"gzip", gzip.compress(PICTURE) + gzip.compress(PICTURE)[:30]),
        (b"gzip", b"a text that is no picture"),
        (b"gzip", gzip.compress(b"") * (MAXIMUM_MEMBERS + 1)),
        (b"deflate", zlib.compress(PICTURE)[:-9]),
        (b"deflate", b"a"),
    ],
)
def test_what_cannot_be_unpacked_is_the_sources_failure(coding: bytes, packed: bytes, step: int) -> None:
    """A coding that was not accepted, half a body, and a header without packed data."""
    with pytest.raises(SourceFailedError):
        unpacked([coding], packed, step)


def test_nothing_is_nothing() -> None:
    """An empty body stays empty in any coding."""
    assert unpacked([b"gzip"], b"", 1) == b""


@given(st.lists(st.sampled_from([b"gzip", b"deflate", b"br", b"none", b""])), st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_are_given_or_refused(codings: list[bytes], body: bytes, step: int) -> None:
    """They raise no other error; without a coding they are unchanged."""
    try:
        assert unpacked(codings, body, step) == body or set(codings) & {b"gzip", b"deflate", b"br"}
    except SourceFailedError:
        assert set(codings) & {b"gzip", b"deflate", b"br"}
