"""How long a store may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """The limits of one call, so that a store that hangs holds a thread for a minute or so.

    Each request gets `connect_s` seconds to be taken and `read_s` for the next bytes of its answer, and is made
    `attempts` times at most. A body may take `body_s`, and one second more for each `slowest_bytes_s` in it.
    """

    connect_s: float = 5
    read_s: float = 20
    attempts: int = 3
    body_s: float = 60
    slowest_bytes_s: int = 2**19

    def allowed_s(self, size_bytes: int) -> float:
        """Return how long a body of this size may take."""
        return self.body_s + size_bytes / self.slowest_bytes_s
