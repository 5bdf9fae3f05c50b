"""Writes the two wire types of Protocol Buffers that a profile needs.

The rules are in https://protobuf.dev/programming-guides/encoding/: a field is its number and wire type, then a varint,
or a length and that many bytes. As in proto3, an integer that is 0 is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

_VARINT, _LENGTH = 0, 2
_LOW_BITS, _MORE = 0x7F, 0x80
_TWOS_COMPLEMENT = (1 << 64) - 1


def varint(value: int) -> bytes:
    """Return an integer of 64 bits, seven to a byte, the lowest first; a negative one as its two's complement."""
    value &= _TWOS_COMPLEMENT
    encoded = bytearray()
    while value > _LOW_BITS:
        encoded.append(value & _LOW_BITS | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def integer(field: int, value: int) -> bytes:
    """Return a field that is an integer or a truth value."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def data(field: int, value: bytes) -> bytes:
    """Return a field that is a message or a text. An empty one is written too: repeated fields may be empty."""
    return varint(field << 3 | _LENGTH) + varint(len(value)) + value


def packed(field: int, values: Iterable[bytes]) -> bytes:
    """Return a field that is a list of integers, each given as its varint."""
    return data(field, b"".join(values))
