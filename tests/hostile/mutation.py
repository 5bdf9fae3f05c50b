"""Mutations that know the formats: parts are moved, repeated and changed, and lengths and checksums stay right.

A change that breaks a checksum ends at the checksum. So a file is taken apart, changed, and put together again; only
some files are changed as bytes afterwards, or cut.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from random import Random

import png_files
import webp_files

MOST_BYTES = 2**18
"""How large a mutated file may become: larger ones are slow, and seldom new."""

_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 129, 254, 255, 256, 257, 1023, 4095, 4096)
_LARGE = (32767, 32768, 65500, 65535, 65536, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_REPEATS = (2, 2, 3, 10, 100, 1000)
_SEGMENT_BYTES = 65533
_ALONE = {0x01, *range(0xD0, 0xDA)}
"""JPEG markers without a segment (ITU-T T.81, table B.1)."""


@dataclass(frozen=True)
class Part:
    """A piece of a file: its kind (the name of a chunk, a marker, empty for codes), and its data without a length."""

    kind: bytes
    data: bytes


@dataclass(frozen=True)
class Pieces:
    """A file taken apart, and the function that puts parts together."""

    parts: list[Part]
    join: Callable[[Sequence[Part]], bytes]


def take_apart(body: bytes) -> Pieces:
    """Return the parts of a file; a file of no known format is one part."""
    if body.startswith(png_files.SIGNATURE):
        return Pieces(list(_png_parts(body)), _join_png)
    if body.startswith(b"\xff\xd8"):
        return Pieces(list(_jpeg_parts(body)), _join_jpeg)
    if body.startswith(b"RIFF"):
        return Pieces(list(_riff_parts(body, 12)), _join_webp)
    if body.startswith(b"GIF8"):
        return Pieces(list(_gif_parts(body)), _join_plain)
    if body[4:8] == b"ftyp":
        return Pieces(list(_box_parts(body)), _join_boxes)
    ends = (8, 54) if body.startswith((b"II*", b"MM", b"BM")) else ()
    places = pairwise((0, *ends, len(body)))
    return Pieces([Part(b"", body[begin:end]) for begin, end in places], _join_plain)


def _png_parts(body: bytes) -> Iterator[Part]:
    at = 8
    while at + 8 <= len(body):
        length, name = struct.unpack_from(">I4s", body, at)
        yield Part(name, body[at + 8 : at + 8 + length])
        at += 12 + length


def _join_png(parts: Sequence[Part]) -> bytes:
    return png_files.SIGNATURE + b"".join(png_files.chunk(part.kind, part.data) for part in parts)


def _riff_parts(body: bytes, at: int) -> Iterator[Part]:
    while at + 8 <= len(body):
        name, length = struct.unpack_from("<4sI", body, at)
        yield Part(name, body[at + 8 : at + 8 + length])
        at += 8 + length + length % 2


def _join_webp(parts: Sequence[Part]) -> bytes:
    return webp_files.webp(*(webp_files.chunk(part.kind, part.data) for part in parts))


def _box_parts(body: bytes, at: int = 0) -> Iterator[Part]:
    """Yield the boxes of an AVIF or HEIC, and those in its `meta` box, which has no part of its own."""
    while at < len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        inner = 12 if kind == b"meta" else 0
        yield Part(kind, body[at + 8 : at + (inner or length)])
        at += inner or length


def _join_boxes(parts: Sequence[Part]) -> bytes:
    return b"".join(_box(part, parts[index:]) for index, part in enumerate(parts))


def _box(part: Part, rest: Sequence[Part]) -> bytes:
    """Write a box. That of `meta` holds all boxes up to the pixels."""
    length = 8 + len(part.data)
    if part.kind == b"meta":
        inner = takewhile(lambda other: other.kind != b"mdat", rest[1:])
        length += sum(8 + len(other.data) for other in inner)
    return struct.pack(">I", length) + part.kind + part.data


def _jpeg_parts(body: bytes) -> Iterator[Part]:
    at = 0
    while at < len(body):
        marker = body[at + 1] if body[at] == 0xFF and at + 1 < len(body) else 0
        if marker in _ALONE:
            yield Part(body[at : at + 2], b"")
            at += 2
        elif marker:
            end = at + 2 + max(2, int.from_bytes(body[at + 2 : at + 4], "big"))
            yield Part(body[at : at + 2], body[at + 4 : end])
            at = end
        else:
            end = next((i for i in range(at + 1, len(body) - 1) if body[i] == 0xFF and body[i + 1]), len(body))
            yield Part(b"", body[at:end])
            at = end


def _join_jpeg(parts: Sequence[Part]) -> bytes:
    return b"".join(
        part.kind + struct.pack(">H", len(part.data[:_SEGMENT_BYTES]) + 2) + part.data[:_SEGMENT_BYTES]
        if part.kind and part.kind[-1] not in _ALONE
        else part.kind + part.data
        for part in parts
    )


def _gif_parts(body: bytes) -> Iterator[Part]:
    at = 13 + _table_bytes(body[10:11])
    yield Part(body[:6], body[6:at])
    while at < len(body):
        start = at
        kind = body[at]
        at += {0x21: 2, 0x2C: 11}.get(kind, 1)
        if kind == 0x2C:
            at += _table_bytes(body[start + 9 : start + 10])
        while kind in (0x21, 0x2C) and at < len(body) and body[at]:
            at += 1 + body[at]
        at += kind in (0x21, 0x2C)
        head = 2 if kind == 0x21 else 1
        yield Part(body[start : start + head], body[start + head : at])


def _table_bytes(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _join_plain(parts: Sequence[Part]) -> bytes:
    return b"".join(part.kind + part.data for part in parts)


def mutate(random: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Return a changed copy of a file; `others` give it parts."""
    pieces = take_apart(body)
    parts = pieces.parts or [Part(b"", body)]
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        parts = random.choice(_CHANGES)(random, parts, others) or parts
    changed = pieces.join(parts)
    if changed == body or random.random() < 0.2:
        changed = change_bytes(random, changed)
    if random.random() < 0.1:
        changed = changed[: random.randrange(len(changed) + 1)]
    return changed[:MOST_BYTES]


def change_bytes(random: Random, data: bytes) -> bytes:
    """Return a copy of bytes with one change."""
    at = random.randrange(len(data)) if data else 0
    end = min(len(data), at + random.choice((1, 2, 4, 16, 256)))
    match random.randrange(8):
        case 0:
            end = min(len(data), at + 1)
            new = bytes(byte ^ 1 << random.randrange(8) for byte in data[at:end])
        case 1:
            new = random.randbytes(end - at)
        case 2 | 3:
            size = random.choice((1, 2, 3, 4))
            number = random.choice(_NUMBERS if random.random() < 0.6 else _LARGE) % (1 << 8 * size)
            end, new = at + size, number.to_bytes(size, "big" if random.random() < 0.5 else "little")
        case 4:
            new = b""
        case 5:
            new = data[at:end] * random.choice(_REPEATS)
        case 6:
            new = bytes([random.choice((0, 0x7F, 0x80, 0xFF))]) * (end - at)
        case _:
            other = random.randrange(len(data)) if data else 0
            new = data[other : other + end - at]
    return data[:at] + new + data[end:]


def _change_data(random: Random, parts: list[Part], _: Sequence[bytes]) -> list[Part]:
    at = random.randrange(len(parts))
    data = parts[at].data
    for _ in range(random.choice((1, 1, 2, 8))):
        data = change_bytes(random, data)
    return [*parts[:at], replace(parts[at], data=data), *parts[at + 1 :]]


def _change_deflated(random: Random, parts: list[Part], _: Sequence[bytes]) -> list[Part] | None:
    """Change what is inside of a compressed part: the rows of a PNG, a text, a profile."""
    at = random.randrange(len(parts))
    head = {b"IDAT": 0, b"fdAT": 4}.get(parts[at].kind, parts[at].data.find(b"\x00") + 2)
    try:
        plain = zlib.decompress(parts[at].data[head:])
    except zlib.error:
        return None
    packed = zlib.compress(change_bytes(random, plain), 1)
    return [*parts[:at], replace(parts[at], data=parts[at].data[:head] + packed), *parts[at + 1 :]]


def _change_frame(random: Random, parts: list[Part], others: Sequence[bytes]) -> list[Part] | None:
    """Change a chunk inside of a frame of a WebP."""
    at = random.randrange(len(parts))
    if parts[at].kind != b"ANMF":
        return None
    inner = list(_riff_parts(parts[at].data, 16)) or [Part(b"VP8L", b"")]
    inner = random.choice((_change_data, _drop, _repeat, _swap))(random, inner, others)
    data = parts[at].data[:16] + b"".join(webp_files.chunk(each.kind, each.data) for each in inner)
    return [*parts[:at], replace(parts[at], data=data), *parts[at + 1 :]]


def _drop(random: Random, parts: list[Part], _: Sequence[bytes]) -> list[Part]:
    at = random.randrange(len(parts))
    return [*parts[:at], *parts[at + 1 :]] or parts


def _repeat(random: Random, parts: list[Part], _: Sequence[bytes]) -> list[Part]:
    at = random.randrange(len(parts))
    times = min(random.choice(_REPEATS), 1 + MOST_BYTES // (1 + len(parts[at].data)))
    return [*parts[:at], *parts[at : at + 1] * times, *parts[at + 1 :]]


def _swap(random: Random, parts: list[Part], _: Sequence[bytes]) -> list[Part]:
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    swapped = list(parts)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    return swapped


def _insert(random: Random, parts: list[Part], others: Sequence[bytes]) -> list[Part] | None:
    """Insert a part of another file of the same format, or of any."""
    foreign = take_apart(random.choice(others)).parts
    at = random.randrange(len(parts) + 1)
    return [*parts[:at], random.choice(foreign), *parts[at:]] if foreign else None


def _cross(random: Random, parts: list[Part], others: Sequence[bytes]) -> list[Part] | None:
    """Give a part the data of one of the same kind in another file."""
    at = random.randrange(len(parts))
    same = [part for part in take_apart(random.choice(others)).parts if part.kind == parts[at].kind]
    return [*parts[:at], random.choice(same), *parts[at + 1 :]] if same else None


_CHANGES: Sequence[Callable[[Random, list[Part], Sequence[bytes]], list[Part] | None]] = (
    _change_data,
    _change_data,
    _change_data,
    _change_deflated,
    _change_frame,
    _drop,
    _repeat,
    _swap,
    _insert,
    _cross,
    _cross,
)
