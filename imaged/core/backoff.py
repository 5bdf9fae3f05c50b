"""The delay before a retry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with full jitter, and a number of attempts after which the work has failed.

    `first_s` bounds the first delay, and each further attempt doubles the bound up to `longest_s`. Full jitter spreads
    clients best (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Half of each bound is a
    floor, so that no retry is immediate.
    """

    first_s: float
    longest_s: float
    attempts: int

    def delay_s(self, attempt: int, jitter: float) -> float | None:
        """Return the delay after failed `attempt` (1 is the first), or None after the last.

        `jitter` is a random number in [0, 1) from the caller.
        """
        if attempt >= self.attempts:
            return None
        exponent = min(attempt - 1, 62)  # 2.0**63 s exceeds any bound; the float stays finite
        bound_s = min(self.longest_s, self.first_s * 2.0**exponent)
        return bound_s / 2 + jitter * bound_s / 2
