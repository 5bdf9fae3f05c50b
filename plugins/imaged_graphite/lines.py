"""Totals of an interval in carbon's plain-text format: https://graphite.readthedocs.io/en/latest/feeding-carbon.html."""

from __future__ import annotations

from collections.abc import Iterator

from .slots import Slot


def lines(prefix: str, slot: Slot) -> Iterator[str]:
    """Yield a line for each count and three for each timing, with the start of the interval as time."""
    for name, count in slot.counted.counts.items():
        yield f"{prefix}.{name} {count} {slot.began_s}\n"
    for name, timing in slot.counted.timings.items():
        yield f"{prefix}.{name}.count {timing.count} {slot.began_s}\n"
        yield f"{prefix}.{name}.mean {timing.mean_ms:.3f} {slot.began_s}\n"
        yield f"{prefix}.{name}.upper {timing.upper_ms:.3f} {slot.began_s}\n"
