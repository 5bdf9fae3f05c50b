"""Figures in StatsD's format: https://github.com/statsd/statsd/blob/master/docs/metric_types.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imaged.api import Counted

MAXIMUM_DATAGRAM_BYTES = 1432
"""StatsD's documentation recommends it: with the headers of IP and UDP, it fits an Ethernet frame."""


def lines(prefix: str, counted: Counted) -> Iterator[str]:
    """Yield a line for each count, and one for each kept timing, with the sample rate."""
    for name, count in counted.counts.items():
        yield f"{prefix}.{name}:{count}|c"
    for name, timing in counted.timings.items():
        sampled = "" if timing.rate == 1 else f"|@{timing.rate:.9f}"
        for elapsed_ms in timing.kept_ms:
            yield f"{prefix}.{name}:{elapsed_ms:.3f}|ms{sampled}"


def datagrams(lines: Iterable[str]) -> Iterator[bytes]:
    """Join the lines to datagrams."""
    joined = b""
    for line in lines:
        encoded = line.encode("ascii")
        if joined and len(joined) + 1 + len(encoded) > MAXIMUM_DATAGRAM_BYTES:
            yield joined
            joined = encoded
        else:
            joined = joined + b"\n" + encoded if joined else encoded
    if joined:
        yield joined
