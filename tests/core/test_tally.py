"""Events become the counts and timings that dashboards of image-server 1.x read."""

from __future__ import annotations

import random

import pytest

from imaged.core.events import (
    Event,
    OriginalDownloaded,
    OriginalUnavailable,
    OutputFailed,
    OutputRendered,
    RequestAnswered,
    RequestFailed,
    Uploaded,
)
from imaged.core.tally import Tally

NAMES: list[tuple[Event, dict[str, int], dict[str, float]]] = [
    (
        OutputRendered("p", "x300.jpg", "jpg", 0.25),
        {"image_request": 1, "image_request.jpg": 1},
        {"render_time": 250},
    ),
    (RequestFailed("p", "webp", 404, "output"), {"image_request_fail": 1, "image_request_fail.webp": 1}, {}),
    (RequestFailed("p", None, 404, "output"), {"image_request_fail": 1}, {}),
    (RequestFailed("p", None, 415, "post"), {}, {}),
    (RequestFailed(None, None, 404), {}, {}),
    (OriginalDownloaded("p", 81_234, 0.5), {"original_downloaded": 1}, {"download_time": 500}),
    (OriginalUnavailable("p", "NotFoundError"), {"original_unavailable": 1}, {}),
    (Uploaded("p", 81_234, 0.125), {"file_uploaded": 1}, {"upload_time": 125}),
    (OutputFailed("p", "x300.jpg", "jpg", "BusyError"), {}, {}),
    (RequestAnswered("output", "p", "jpg", 200, "hit", 81_234, 0.01), {}, {}),
]


def tally(maximum_kept: int = 1000) -> Tally:
    """Return an empty tally."""
    return Tally(maximum_kept, random.Random(1).randrange)


@pytest.mark.parametrize(("event", "counts", "timings_ms"), NAMES)
def test_each_event_has_its_names(event: Event, counts: dict[str, int], timings_ms: dict[str, float]) -> None:
    """An event counts in all, by format, and with its time, as its kind has them."""
    counting = tally()
    assert Tally.counts(event) is bool(counts)
    counting.record(event)
    counted = counting.take()
    assert counted.counts == counts
    assert {name: each.kept_ms for name, each in counted.timings.items()} == {
        name: (each,) for name, each in timings_ms.items()
    }


def test_counts_add_up_and_restart() -> None:
    """`take` resets the tally."""
    counting = tally()
    assert counting.empty
    for extension in ("jpg", "jpg", "png"):
        counting.record(OutputRendered("p", f"x300.{extension}", extension, 0.1))
    assert counting.take().counts == {"image_request": 3, "image_request.jpg": 2, "image_request.png": 1}
    assert counting.empty
    assert counting.take().counts == {}


def test_timings_are_summed() -> None:
    """Mean, largest and count are those of all timings, not of the sample."""
    counting = tally(maximum_kept=0)
    for elapsed_s in (0.1, 0.6, 0.2):
        counting.record(Uploaded("p", 1, elapsed_s))
    timing = counting.counted.timings["upload_time"]
    assert (timing.count, timing.upper_ms, timing.kept_ms) == (3, 600, ())
    assert timing.mean_ms == pytest.approx(300)


def test_a_busy_interval_costs_bounded_memory() -> None:
    """The sample is uniform, and has its rate."""
    counting = tally(maximum_kept=100)
    for number in range(10_000):
        counting.record(Uploaded("p", 1, number / 1000))
    timing = counting.take().timings["upload_time"]
    assert (timing.count, len(timing.kept_ms), timing.rate) == (10_000, 100, 0.01)
    assert len(set(timing.kept_ms)) == 100
    assert sum(timing.kept_ms) / 100 == pytest.approx(5000, rel=0.2)
