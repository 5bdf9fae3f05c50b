"""Files that lost bytes: a good picture, cut at each place where a reader may expect more, or with wrong bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

Make = Callable[[], bytes]
"""Makes the bytes of a file, which may be many: only while a test uses them are they in memory."""

Files = dict[str, Make]
"""Hostile files by name."""

_FROM_START = (0, 1, 2, 3, 4, 6, 8, 12, 13, 16, 20, 24, 30, 33, 41)
"""Inside of the signatures, the first headers, and the lengths of the first parts."""
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
_FROM_END = (1, 2, 3, 4, 8, 12, 13, 20)
"""Inside of the end markers, the checksums, and the last codes."""


def cut_lengths(size_bytes: int) -> list[int]:
    """Return one length of each class, for a file of this size."""
    lengths = {
        *_FROM_START,
        *(int(size_bytes * share) for share in _SHARES),
        *(size_bytes - each for each in _FROM_END),
    }
    return sorted(each for each in lengths if 0 <= each < size_bytes)


def cuts(name: str, body: bytes) -> Iterator[tuple[str, Make]]:
    """Yield a picture, cut at each class of length."""
    for length in cut_lengths(len(body)):
        yield f"{name}, cut to {length} of {len(body)} bytes", partial(body.__getitem__, slice(length))


def extensions(name: str, body: bytes) -> Iterator[tuple[str, Make]]:
    """Yield a picture with bytes that do not belong to it: behind its end, in its middle, and before its start."""
    middle = len(body) // 2
    yield f"{name}, twice", lambda: body + body
    yield f"{name}, and zeros", lambda: body + bytes(4096)
    yield f"{name}, and high bytes", lambda: body + b"\xff" * 4096
    yield f"{name}, zeros in its middle", lambda: body[:middle] + bytes(512) + body[middle:]
    yield f"{name}, without its middle", lambda: body[: middle - 8] + body[middle + 8 :]
    yield f"{name}, after a blank", lambda: b" " + body
    yield f"{name}, with each newline made two bytes", lambda: body.replace(b"\n", b"\r\n")
    yield f"{name}, with seven bits a byte", lambda: bytes(byte & 0x7F for byte in body)
    yield f"{name}, as UTF-8", lambda: body.decode("latin-1").encode()


def flip(body: bytes, places: list[int]) -> bytes:
    """Return `body` with these bits inverted, each counted from the start and taken modulo the size."""
    flipped = bytearray(body)
    for place in places if flipped else ():
        byte, bit = divmod(place % (8 * len(flipped)), 8)
        flipped[byte] ^= 1 << bit
    return bytes(flipped)


def flips(name: str, body: bytes, seed: int, numbers: range) -> Iterator[tuple[str, Make]]:
    """Yield a copy of a picture with 1 to 32 wrong bits for each number; every second one has them in its head."""
    for number in numbers:
        random = Random(f"{seed} {number} {name}")
        bits = 8 * (len(body) if number % 2 else min(len(body), 64))
        places = [random.randrange(bits) for _ in range(random.choice((1, 1, 2, 4, 8, 32)))]
        yield f"{name}, with wrong bits {number}", partial(flip, body, places)
