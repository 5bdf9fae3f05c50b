"""Which files a store forgets: approximately the least recently used ones, found by samples. Pure.

A store keeps no list of its files by last use, as Redis keeps none of its keys
(https://redis.io/docs/latest/develop/reference/eviction/). It looks at a few files at a time, remembers the oldest that
it has seen, and forgets the oldest of those. `bench/eviction.py` compares that with a true LRU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Generic, TypeVar

from imaged.core.hashes import HASH_DIGITS

K = TypeVar("K")

HASHES: int = 16**HASH_DIGITS
"""How many hashes there are."""

SLICE_FILES = 200
"""About how many files one sample has."""

MOST_FILES = 4 * SLICE_FILES
"""A sample ends after so many files: a client may post many pictures whose hashes are close to each other."""

KEPT_PART = 0.99
"""How much the samples before the last one count for the width of the next one."""

SEEN_PER_FORGOTTEN = 5
"""How many files are looked at for each that is forgotten."""

REMEMBERED = 256
"""How many of the oldest files are remembered between samples."""

USES_PER_LIFE = 8
"""How often the last use of a file is written before the file is as old as those that are forgotten."""

LONGEST_UNTOUCHED_S, SHORTEST_UNTOUCHED_S = 3600.0, 1.0

_GOLDEN = round(HASHES * (math.sqrt(5) - 1) / 2)


class Slices:
    """Samples of the images of a store: ranges of the space of hashes, in which images are spread evenly.

    So each image is as often in a sample as any other, in large namespaces and in small ones. Each range begins one
    golden section behind the one before, which covers the space evenly (Weyl, 1916; Knuth, TAOCP 3, 6.4). It is as wide
    as about SLICE_FILES files need, by what the samples before it had. `start` is any hash, as a number.
    """

    def __init__(self, start: int) -> None:
        self._point = start % HASHES
        self._width = HASHES >> 16
        self._looked_at = self._files = 0.0

    @property
    def part(self) -> float:
        """The part of all images that the next sample has: 1 for each of them."""
        return self._width / HASHES

    def next(self) -> list[tuple[str, str]]:
        """Return the first and the last hash of each range of the next sample: two where it begins again at 0."""
        self._point = (self._point + _GOLDEN) % HASHES
        last = self._point + self._width - 1
        if last < HASHES:
            return [(_digits(self._point), _digits(last))]
        return [(_digits(self._point), _digits(HASHES - 1)), (_digits(0), _digits(last - HASHES))]

    def adapt(self, files: int) -> None:
        """Fit the next sample: the last one had so many files."""
        self._looked_at = self._looked_at * KEPT_PART + self._width
        self._files = self._files * KEPT_PART + files
        self._width = min(HASHES, max(1, int(SLICE_FILES * self._looked_at / max(1.0, self._files))))


class Oldest(Generic[K]):
    """The least recently used of all files that samples have shown."""

    def __init__(self) -> None:
        self._used_s: dict[K, float] = {}
        self._due = 0.0

    def offer(self, used_s: Mapping[K, float]) -> None:
        """Note files of a sample, each with its last use in seconds since the epoch."""
        self._used_s.update(used_s)
        self._due = min(REMEMBERED, self._due + len(used_s) / SEEN_PER_FORGOTTEN)
        oldest = sorted(self._used_s.items(), key=lambda each: each[1])[:REMEMBERED]
        self._used_s = dict(oldest)

    def take_due(self) -> dict[K, float]:
        """Return and drop as many of the oldest files as may be forgotten after what was offered."""
        due = int(self._due)
        self._due -= due
        return self.take(due)

    def take(self, most: int) -> dict[K, float]:
        """Return and drop at most so many of the oldest files, the oldest first, with their last uses."""
        oldest = list(self._used_s.items())[:most]
        for file, _ in oldest:
            del self._used_s[file]
        return dict(oldest)


class Lifetimes:
    """How old files are when they are forgotten, and how exactly their last use therefore has to be known."""

    def __init__(self) -> None:
        self._mean_s: float | None = None

    @property
    def touch_after_s(self) -> float:
        """In how many seconds after its last use a file that is used gets a new one: an hour, where files live long."""
        wanted_s = LONGEST_UNTOUCHED_S if self._mean_s is None else self._mean_s / USES_PER_LIFE
        return min(LONGEST_UNTOUCHED_S, max(SHORTEST_UNTOUCHED_S, wanted_s))

    def add(self, age_s: float) -> None:
        """Note the age of a file that is forgotten: the time since its last use. Later ones count more."""
        self._mean_s = age_s if self._mean_s is None else self._mean_s + (age_s - self._mean_s) / 100


def _digits(number: int) -> str:
    return f"{number:0{HASH_DIGITS}x}"
