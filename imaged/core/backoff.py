"""How long to wait before work that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with full jitter, and a number of attempts after which work is parked.

    `first_s` bounds the first delay and each further one doubles the bound up to `longest_s`. Full jitter spreads
    clients best (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015); half of each bound
    is kept as a floor, so that a retry never comes at once.
    """

    first_s: float
    longest_s: float
    attempts: int

    def delay_s(self, attempt: int, jitter: float) -> float | None:
        """Return the delay after failed `attempt` (1 is the first), or None when there are to be no more.

        `jitter` is a random number in [0, 1), which the caller draws.
        """
        if attempt >= self.attempts:
            return None
        exponent = min(attempt - 1, 62)  # 2.0**63 s is past any bound; keep the float finite
        bound_s = min(self.longest_s, self.first_s * 2.0**exponent)
        return bound_s / 2 + jitter * bound_s / 2
