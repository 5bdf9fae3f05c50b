"""Counts of the public port's requests, by how they ended."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.tracing import COALESCED, HIT, RENDERED

CLIENT_LEFT = 499
"""The status of a request whose client closed its connection before the answer ended, as in nginx."""

_REFUSED, _FAILED = 400, 500  # RFC 9110, 15.5 and 15.6


@dataclass
class Traffic:
    """Counts since the start of the process; `bytes` counts bodies. Reactor thread only.

    `hits` counts outputs that were in the store, `rendered` those rendered for their request, `coalesced` those from a
    render that another request began. `hit_bytes` counts the bytes sent of the first, `made_bytes` those of the others.
    """

    current: int = 0
    total: int = 0
    hits: int = 0
    rendered: int = 0
    coalesced: int = 0
    refused: int = 0
    failed: int = 0
    left: int = 0
    bytes: int = 0
    hit_bytes: int = 0
    made_bytes: int = 0

    def begin(self) -> None:
        """Count a request whose head has arrived."""
        self.current += 1

    def end(self, status: int, outcome: str | None, size_bytes: int) -> None:
        """Count a request as answered with `status` and `size_bytes`."""
        self.current -= 1
        self.total += 1
        self.bytes += size_bytes
        if status == CLIENT_LEFT:
            self.left += 1
        elif status >= _FAILED:
            self.failed += 1
        elif status >= _REFUSED:
            self.refused += 1
        else:
            self.hits += outcome == HIT
            self.rendered += outcome == RENDERED
            self.coalesced += outcome == COALESCED
            if outcome == HIT:
                self.hit_bytes += size_bytes
            elif outcome is not None:
                self.made_bytes += size_bytes
