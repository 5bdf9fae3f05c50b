"""Decodes profiles. It is written from the documents of the format, and uses no part of the encoder."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


def numbers(raw: bytes) -> Iterator[int]:
    """Yield the varints in `raw` as signed integers."""
    value = shift = 0
    for byte in raw:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value - (1 << 64) if value >> 63 else value
            value = shift = 0
    assert not shift, "a number is cut off"


def fields(raw: bytes) -> dict[int, list[Any]]:
    """Return the values of each field of a message, in order: integers and bytes."""
    found: dict[int, list[Any]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        begin = at
        while raw[at] > 127:
            at += 1
        at += 1
        (value,) = numbers(raw[begin:at])
        return value

    while at < len(raw):
        tag = number()
        if tag & 7 == 0:
            found.setdefault(tag >> 3, []).append(number())
        else:
            assert tag & 7 == 2
            length = number()
            assert at + length <= len(raw)
            found.setdefault(tag >> 3, []).append(raw[at : at + length])
            at += length
    return found


@dataclass(frozen=True)
class Decoded:
    """A profile: samples are (thread, calls from the innermost, values), calls (function, file, line, first line)."""

    units: list[tuple[str, str]]
    samples: list[tuple[str, list[tuple[str, str, int, int]], list[int]]]
    period: tuple[str, str, int]
    time_ns: int
    duration_ns: int
    default: str
    comments: list[str]
    strings: list[str]
    locations: int

    def weight_of(self, function: str, place: int = 0) -> int:
        """Return the sum of one value over the stacks with a function, given the end of its name."""
        return sum(
            values[place] for _, calls, values in self.samples if any(call[0].endswith(function) for call in calls)
        )


def decode(body: bytes) -> Decoded:
    """Return the contents of a gzipped profile; every reference must have a target."""
    message = fields(gzip.decompress(body))
    strings = [each.decode() for each in message[6]]
    assert strings[0] == ""
    assert len(set(strings)) == len(strings)

    def one(of: dict[int, list[Any]], field: int) -> int:
        (value,) = of.get(field, [0])
        return int(value)

    def unit(raw: bytes) -> tuple[str, str]:
        of = fields(raw)
        return strings[one(of, 1)], strings[one(of, 2)]

    (mapping,) = map(fields, message[3])
    assert [one(mapping, field) for field in (1, 7, 8, 9)] == [1, 1, 1, 1]
    functions = {one(each, 1): each for each in map(fields, message.get(5, []))}
    assert 0 not in functions
    calls = {}
    for location in map(fields, message.get(4, [])):
        (line,) = map(fields, location[4])
        function = functions[one(line, 1)]
        assert one(location, 2) == 1
        assert one(function, 2) == one(function, 3)
        calls[one(location, 1)] = (
            strings[one(function, 2)],
            strings[one(function, 4)],
            one(line, 2),
            one(function, 5),
        )
    assert len(calls) == len(message.get(4, []))
    samples = []
    for each in map(fields, message.get(2, [])):
        labels = {strings[one(label, 1)]: strings[one(label, 2)] for label in map(fields, each.get(3, []))}
        assert labels.keys() <= {"thread"}
        stack = [calls[number] for number in numbers(each[1][0])]
        samples.append((labels.get("thread", ""), stack, list(numbers(each[2][0]))))
    return Decoded(
        units=[unit(each) for each in message[1]],
        samples=samples,
        period=(*unit(message[11][0]), one(message, 12)),
        time_ns=one(message, 9),
        duration_ns=one(message, 10),
        default=strings[one(message, 14)],
        comments=[strings[number] for number in numbers(message[13][0])],
        strings=strings,
        locations=len(calls),
    )
