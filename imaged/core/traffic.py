"""Counts of the public port's requests, by how they ended."""

from __future__ import annotations

from imaged.core.tracing import COALESCED, HIT, RENDERED

CLIENT_LEFT = 499
"""The status of a request whose client closed its connection before the answer ended, as in nginx."""

_REFUSED, _FAILED = 400, 500  # RFC 9110, 15.5 and 15.6


class Traffic:
    """Counts since the start of the process; `bytes` counts bodies. Reactor thread only."""

    def __init__(self) -> None:
        self.current = 0
        self.total = 0
        self.refused = 0
        self.failed = 0
        self.left = 0
        self.bytes = 0
        self._outcomes = dict.fromkeys((HIT, RENDERED, COALESCED), 0)

    @property
    def hits(self) -> int:
        """How many outputs were in the store."""
        return self._outcomes[HIT]

    @property
    def rendered(self) -> int:
        """How many outputs were rendered for the request."""
        return self._outcomes[RENDERED]

    @property
    def coalesced(self) -> int:
        """How many outputs came from a render that another request began."""
        return self._outcomes[COALESCED]

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
        if outcome is not None and status < _REFUSED:
            self._outcomes[outcome] += 1
