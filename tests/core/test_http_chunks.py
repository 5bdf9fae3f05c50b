"""Chunked bodies are decoded however their bytes are cut, and anything else is refused."""

from __future__ import annotations

from contextlib import suppress
from itertools import accumulate, pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from imaged.core.errors import MalformedRequestError
from imaged.core.http_chunks import Chunks

BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
CUTS = st.lists(st.integers(min_value=0, max_value=400), max_size=8)
BEHIND = b"GET / HTTP/1.1\r\n"


def encoded(chunks: list[bytes], extension: bytes = b"") -> bytes:
    """Return a chunked body."""
    return b"".join(b"%x%s\r\n%s\r\n" % (len(each), extension, each) for each in chunks) + b"0\r\n\r\n"


def decoded(data: bytes, cuts: list[int]) -> tuple[list[int], bytes, bytes | None]:
    """Return the sizes of the body after each chunk, the body, and the bytes behind it, or None without an end."""
    sizes: list[int] = []
    taken: list[bytes] = []
    rest: list[bytes] = []
    chunks = Chunks(sizes.append, taken.append, rest.append)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if not rest and start < end:
            chunks.dataReceived(data[start:end])
        elif rest:
            rest.append(data[start:end])
    return sizes, b"".join(taken), b"".join(rest) if rest else None


@given(BODIES, CUTS, st.sampled_from([b"", b";a", b';a="\\"";b=c']))
def test_a_body_is_decoded_in_any_pieces(chunks: list[bytes], cuts: list[int], extension: bytes) -> None:
    """The body, its size after each chunk, and the bytes behind the body do not depend on the pieces."""
    sizes, body, rest = decoded(encoded(chunks, extension) + BEHIND, cuts)
    assert (sizes, body, rest) == (list(accumulate(map(len, chunks))), b"".join(chunks), BEHIND)


@given(BODIES, st.integers(min_value=0), st.integers(min_value=0, max_value=255), CUTS)
@example([b"a"], 0, 0, [])
def test_a_changed_byte_is_refused_or_read_alike(chunks: list[bytes], place: int, byte: int, cuts: list[int]) -> None:
    """A body with one other byte gives the same bytes, or the same error, in any pieces."""
    data = bytearray(encoded(chunks) + BEHIND)
    data[place % len(data)] = byte
    whole = outcome(bytes(data), [])
    assert outcome(bytes(data), cuts) == whole


def outcome(data: bytes, cuts: list[int]) -> object:
    """Return what a body is decoded to, or None for an error."""
    with suppress(MalformedRequestError):
        return decoded(data, cuts)
    return None


def test_many_small_chunks_are_passed_on_together() -> None:
    """Each read gives one piece, so that the cost of a chunk of one byte is that of its bytes."""
    taken: list[bytes] = []
    Chunks(lambda _: None, taken.append, lambda _: None).dataReceived(encoded([b"a"] * 10_000))
    assert taken == [b"a" * 10_000]
