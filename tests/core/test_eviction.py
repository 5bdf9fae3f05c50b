"""Which files a store forgets: close to those that a true LRU would."""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Sequence

import pytest

from imaged.core.eviction import (
    HASHES,
    LONGEST_UNTOUCHED_S,
    REMEMBERED,
    SEEN_PER_FORGOTTEN,
    SHORTEST_UNTOUCHED_S,
    SLICE_FILES,
    Lifetimes,
    Oldest,
    Slices,
)


def draw_hashes(draw: random.Random, count: int) -> list[int]:
    """Return hashes that are spread evenly, as those of pictures are."""
    return [draw.randrange(HASHES) for _ in range(count)]


def within(hash: int, ranges: Sequence[tuple[str, str]]) -> bool:
    """Say whether a hash is in one of the ranges."""
    return any(int(first, 16) <= hash <= int(last, 16) for first, last in ranges)


@pytest.mark.parametrize("images", [3, 100, 5000])
def test_samples_become_as_large_as_wanted(images: int) -> None:
    """Or they have the whole store, where that is small."""
    hashes = draw_hashes(random.Random(1), images)
    slices = Slices(7)
    for _ in range(30):
        ranges = slices.next()
        files = 10 * sum(within(each, ranges) for each in hashes)
        slices.adapt(files)
    assert (slices.part == 1) == (images * 10 < SLICE_FILES)
    assert files == images * 10 or SLICE_FILES / 4 < files < SLICE_FILES * 4


def test_each_image_is_in_as_many_samples() -> None:
    """Those at the edges, in the gaps and in crowds of the space of hashes, too."""
    hashes = [0, 1, 2, HASHES // 2, HASHES - 1, *(HASHES // 3 + number for number in range(50))]
    slices = Slices(random.Random(2).randrange(HASHES))
    slices.adapt(SLICE_FILES // 16)
    seen = Counter[int]()
    for _ in range(20_000):
        ranges = slices.next()
        seen.update(each for each in hashes if within(each, ranges))
    assert set(seen) == set(hashes)
    assert max(seen.values()) <= min(seen.values()) + 1


def test_the_oldest_are_taken_first_and_once() -> None:
    """Whatever order they were seen in."""
    oldest = Oldest[str]()
    oldest.offer({"b": 2.0, "c": 3.0})
    oldest.offer({"a": 1.0, "d": 4.0})
    assert oldest.take(2) == {"a": 1.0, "b": 2.0}
    assert list(oldest.take(9)) == ["c", "d"]
    assert oldest.take(1) == {}


def test_a_file_that_was_used_since_is_no_longer_old() -> None:
    """The later sample counts."""
    oldest = Oldest[str]()
    oldest.offer({"a": 1.0, "b": 2.0})
    oldest.offer({"a": 3.0})
    assert list(oldest.take(2)) == ["b", "a"]


def test_one_in_five_files_may_be_forgotten() -> None:
    """However few a sample has: of a store that is full of files that have to stay, the oldest others still go."""
    oldest = Oldest[int]()
    taken: list[int] = []
    for number in range(20):
        oldest.offer({number: float(-number)})
        taken += oldest.take_due()
    assert taken == [4, 9, 14, 19]


def test_few_files_are_remembered() -> None:
    """However many are seen: memory has a bound."""
    oldest = Oldest[int]()
    for number in range(10 * REMEMBERED):
        oldest.offer({number: float(-number)})
    assert len(oldest.take(10 * REMEMBERED)) == REMEMBERED


def test_last_uses_are_written_as_exactly_as_they_have_to_be() -> None:
    """Each hour where files live for days, more often where they live for minutes, never more often than a second."""
    long, short, shortest = Lifetimes(), Lifetimes(), Lifetimes()
    assert long.touch_after_s == LONGEST_UNTOUCHED_S
    long.add(86_400.0)
    short.add(400.0)
    shortest.add(1.0)
    assert (long.touch_after_s, short.touch_after_s, shortest.touch_after_s) == (3600.0, 50.0, SHORTEST_UNTOUCHED_S)


class Store:
    """A store in memory that keeps `capacity` files, and what it forgets; time is counted in requests."""

    def __init__(self, capacity: int, images: int, seed: int) -> None:
        draw = random.Random(seed)
        self.capacity = capacity
        self.hashes = draw_hashes(draw, images)
        self.used: dict[int, dict[int, float]] = {each: {} for each in range(images)}
        self.slices, self.oldest, self.lifetimes = (
            Slices(draw.randrange(HASHES)),
            Oldest[tuple[int, int]](),
            Lifetimes(),
        )
        self.files = self.hits = self.seen = self.forgotten = 0

    def request(self, image: int, output: int, now_s: float) -> None:
        """Serve an output, from the store or made now."""
        uses = self.used[image]
        if output in uses:
            self.hits += 1
            if now_s - uses[output] >= self.lifetimes.touch_after_s:
                uses[output] = now_s
            return
        uses[output] = now_s
        self.files += 1
        while self.files > self.capacity:
            self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        ranges = self.slices.next()
        images = [image for image, hash in enumerate(self.hashes) if within(hash, ranges)]
        sample = {(image, output): used for image in images for output, used in self.used[image].items()}
        self.slices.adapt(len(sample))
        self.oldest.offer(sample)
        self.seen += len(sample)
        for (image, output), used_s in self.oldest.take_due().items():
            if self.used[image].get(output) == used_s:
                del self.used[image][output]
                self.files -= 1
                self.forgotten += 1
                self.lifetimes.add(now_s - used_s)


def true_lru(requests: Sequence[tuple[int, int]], capacity: int) -> int:
    """Return the hits of a store that forgets exactly the least recently used file."""
    kept = OrderedDict[tuple[int, int], None]()
    hits = 0
    for request in requests:
        hits += request in kept
        kept[request] = None
        kept.move_to_end(request)
        if len(kept) > capacity:
            kept.popitem(last=False)
    return hits


@pytest.mark.parametrize("skew", [0.7, 1.0])
def test_a_store_has_nearly_the_hits_of_a_true_lru(skew: float) -> None:
    """Within two per cent over a Zipf trace, and it looks at few files for each that it forgets."""
    images, outputs, capacity = 300, 10, 600
    draw = random.Random(3)
    files = [(image, output) for image in range(images) for output in range(outputs)]
    draw.shuffle(files)
    requests = draw.choices(files, [1 / rank**skew for rank in range(1, len(files) + 1)], k=30_000)
    store = Store(capacity, images, seed=4)
    for number, request in enumerate(requests):
        store.request(*request, now_s=60.0 * number)
    assert store.hits > 0.98 * true_lru(requests, capacity)
    assert store.seen < 3 * SEEN_PER_FORGOTTEN * store.forgotten
