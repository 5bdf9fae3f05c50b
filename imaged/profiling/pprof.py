"""Encodes a profile for `go tool pprof`: a gzipped protocol buffer.

The format, its field numbers and its rules are in
https://github.com/google/pprof/blob/main/proto/profile.proto, those of the encoding in
https://protobuf.dev/programming-guides/encoding/: a field is its number and wire type, then a varint, or a length and
that many bytes. Each name, function and location is written once, and samples refer to it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

CONTENT_TYPE = "application/octet-stream"
"""The type that Go's servers send profiles with."""

_MAPPING = 1
"""The one mapping: it says that names and lines are known, so that pprof looks for no symbols in a binary."""

_VARINT, _LENGTH = 0, 2
_LOW_BITS, _MORE = 0x7F, 0x80
_TWOS_COMPLEMENT = (1 << 64) - 1


class Frame(NamedTuple):
    """One call on a stack: the function's qualified name, its file, its current line and its first line."""

    function: str
    filename: str
    line: int
    first_line: int = 0


class Unit(NamedTuple):
    """The meaning of one value of each sample, such as `cpu` in `nanoseconds`."""

    name: str
    unit: str


class Sample(NamedTuple):
    """A stack, innermost call first, with a value for each unit of its profile.

    `thread` is the name of the stack's thread, or "" where it has none.
    """

    stack: tuple[Frame, ...]
    values: tuple[int, ...]
    thread: str = ""


@dataclass(frozen=True)
class Profile:
    """Samples and their units. `period` is the distance between two samples in `period_unit`.

    `default` is the unit that pprof shows first; `comments` are for people. Times are in nanoseconds, `time_ns` since
    1970.
    """

    units: tuple[Unit, ...]
    default: str
    samples: Iterable[Sample]
    period_unit: Unit
    period: int
    time_ns: int
    duration_ns: int = 0
    comments: tuple[str, ...] = ()


def encode(profile: Profile) -> bytes:
    """Return the profile in pprof's format. Blocks for long where samples are many: not on the reactor thread."""
    tables = _Tables()
    text = tables.text
    samples = [
        data(2, packed(1, map(tables.location, stack)) + packed(2, map(varint, values)) + tables.thread_label(thread))
        for stack, values, thread in profile.samples
    ]
    head = [data(1, tables.unit(each)) for each in profile.units]
    tail = [
        integer(9, profile.time_ns),
        integer(10, profile.duration_ns),
        data(11, tables.unit(profile.period_unit)),
        integer(12, profile.period),
        packed(13, [varint(text(each)) for each in profile.comments]),
        integer(14, text(profile.default)),
    ]
    mapping = integer(1, _MAPPING) + integer(5, text("imaged")) + integer(7, 1) + integer(8, 1) + integer(9, 1)
    strings = [data(6, each.encode("utf-8", "replace")) for each in tables.texts]
    message = [*head, *samples, data(3, mapping), *tables.locations, *tables.functions, *strings, *tail]
    return gzip.compress(b"".join(message), compresslevel=6, mtime=0)


class _Tables:
    """The tables that samples refer to by number: texts from 0, which is "", functions and locations from 1."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {"": 0}
        self.functions: list[bytes] = []
        self.locations: list[bytes] = []
        self._function_ids: dict[tuple[str, str, int], int] = {}
        self._location_ids: dict[Frame, bytes] = {}

    def text(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def unit(self, unit: Unit) -> bytes:
        return integer(1, self.text(unit.name)) + integer(2, self.text(unit.unit))

    def thread_label(self, thread: str) -> bytes:
        return data(3, integer(1, self.text("thread")) + integer(2, self.text(thread))) if thread else b""

    def location(self, frame: Frame) -> bytes:
        """Return the number of a location, encoded once: a profile has far more references than locations."""
        known = self._location_ids.get(frame)
        if known is None:
            known = varint(len(self.locations) + 1)
            self._location_ids[frame] = known
            line = integer(1, self._function(frame)) + integer(2, frame.line)
            self.locations.append(data(4, integer(1, len(self.locations) + 1) + integer(2, _MAPPING) + data(4, line)))
        return known

    def _function(self, frame: Frame) -> int:
        key = (frame.function, frame.filename, frame.first_line)
        number = self._function_ids.get(key)
        if number is None:
            number = self._function_ids[key] = len(self._function_ids) + 1
            name = self.text(frame.function)
            where = integer(4, self.text(frame.filename)) + integer(5, frame.first_line)
            self.functions.append(data(5, integer(1, number) + integer(2, name) + integer(3, name) + where))
        return number


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
    """Return a field that is an integer or a truth value; as in proto3, 0 is left out."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def data(field: int, value: bytes) -> bytes:
    """Return a field that is a message or a text. An empty one is written too: repeated fields may be empty."""
    return varint(field << 3 | _LENGTH) + varint(len(value)) + value


def packed(field: int, values: Iterable[bytes]) -> bytes:
    """Return a field that is a list of integers, each given as its varint."""
    return data(field, b"".join(values))
