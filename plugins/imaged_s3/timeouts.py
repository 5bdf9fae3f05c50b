"""The timeouts and retries of calls to the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """The limits of one call, with which a store that hangs blocks a thread for about a minute.

    A request has `connect_s` seconds to connect and `read_s` for the next bytes of its response, and is made at most
    `attempts` times. A download may take `body_s` seconds, plus one for each `slowest_bytes_s` bytes.
    """

    connect_s: float = 5
    read_s: float = 20
    attempts: int = 3
    body_s: float = 60
    slowest_bytes_s: int = 2**19

    def allowed_s(self, size_bytes: int) -> float:
        """Return how many seconds a download of this size may take."""
        return self.body_s + size_bytes / self.slowest_bytes_s
