"""When to leave a service alone that is away, and when to try it again."""

from __future__ import annotations

from imaged.core.backoff import Backoff

OPENS_AFTER = 3
"""How many failures in a row mean that it is away: a single one may be a connection that broke."""

PAUSE = Backoff(first_s=1, longest_s=5, attempts=1_000_000)
"""How long it is left alone between trials: short, for clients wait to be told that it is back."""

LONGEST_TRIAL_S = 10.0
"""How long the others wait for a trial: what it is lost in may be gone long before it knows."""


class Circuit:
    """A circuit breaker (Michael Nygard, "Release It!", 2007): closed while the service answers, open while it is away.

    Open, it admits one trial at a time, and another when that one hangs. Times are seconds of any clock that never goes
    back; `jitter` is a random number in [0, 1), which the caller draws.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._next_trial_s = 0.0
        self._trial_under_way = False
        self._trial_began_s = 0.0
        self._opened_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the service is taken to be away."""
        return self._opened_s is not None

    def would_admit(self, now_s: float) -> bool:
        """Say whether a call would be let through now."""
        waits = self._trial_under_way and now_s < self._trial_began_s + LONGEST_TRIAL_S
        return not self.is_open or (now_s >= self._next_trial_s and not waits)

    def admit(self, now_s: float) -> bool:
        """Let a call through, or not; one that is let through has to end in `succeeded` or `failed`.

        One that is let through while it is open is the trial.
        """
        if not self.would_admit(now_s):
            return False
        self._trial_under_way, self._trial_began_s = self.is_open, now_s
        return True

    def succeeded(self, now_s: float) -> float | None:
        """Close it; return for how many seconds it had been open, or None when it was not."""
        away_s = None if self._opened_s is None else now_s - self._opened_s
        self._failures, self._opened_s, self._trial_under_way = 0, None, False
        return away_s

    def undecided(self, *, trial: bool) -> None:
        """Take note of a call that ended without telling whether the service is there."""
        if trial:
            self._trial_under_way = False

    def failed(self, now_s: float, jitter: float, *, trial: bool) -> bool:
        """Take note of a failure, of the trial or of a call from before; return whether this one has opened it."""
        self._failures += 1
        if trial:
            self._trial_under_way = False
        opens = self._opened_s is None and self._failures >= OPENS_AFTER
        if opens:
            self._opened_s = now_s
        self._next_trial_s = now_s + (PAUSE.delay_s(max(1, self._failures - OPENS_AFTER + 1), jitter) or 0.0)
        return opens
