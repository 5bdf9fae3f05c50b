"""A circuit breaker: stops calls to a service that is unavailable, and tries it again later."""

from __future__ import annotations

from imaged.core.backoff import Backoff

OPENS_AFTER = 3
"""How many failures in a row open the circuit: a single one may be a broken connection."""

PAUSE = Backoff(first_s=1, longest_s=5, attempts=1_000_000)
"""The pause between trials. It is short, since clients wait for the service to return."""

LONGEST_TRIAL_S = 10.0
"""How long a trial excludes others: a trial may hang after the service has returned."""


class Circuit:
    """A circuit breaker (Michael Nygard, "Release It!", 2007): closed while the service answers, else open.

    While open, it admits one trial at a time, and another one when that hangs. Times are seconds of a monotonic clock;
    `jitter` is a random number in [0, 1) from the caller.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._next_trial_s = 0.0
        self._trial_under_way = False
        self._trial_began_s = 0.0
        self._opened_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the service counts as unavailable."""
        return self._opened_s is not None

    def would_admit(self, now_s: float) -> bool:
        """Return whether a call would be admitted now."""
        waits = self._trial_under_way and now_s < self._trial_began_s + LONGEST_TRIAL_S
        return not self.is_open or (now_s >= self._next_trial_s and not waits)

    def admit(self, now_s: float) -> bool:
        """Admit a call, or return False. The caller ends an admitted call with `succeeded`, `failed` or `undecided`.

        A call that is admitted while the circuit is open is the trial.
        """
        if not self.would_admit(now_s):
            return False
        self._trial_under_way, self._trial_began_s = self.is_open, now_s
        return True

    def succeeded(self, now_s: float) -> float | None:
        """Close the circuit; return for how many seconds it was open, or None when it was closed."""
        away_s = None if self._opened_s is None else now_s - self._opened_s
        self._failures, self._opened_s, self._trial_under_way = 0, None, False
        return away_s

    def undecided(self, *, trial: bool) -> None:
        """End a call that does not show whether the service is available."""
        if trial:
            self._trial_under_way = False

    def failed(self, now_s: float, jitter: float, *, trial: bool) -> bool:
        """Count a failure, of the trial or of an earlier call; return whether it opened the circuit."""
        self._failures += 1
        if trial:
            self._trial_under_way = False
        opens = self._opened_s is None and self._failures >= OPENS_AFTER
        if opens:
            self._opened_s = now_s
        self._next_trial_s = now_s + (PAUSE.delay_s(max(1, self._failures - OPENS_AFTER + 1), jitter) or 0.0)
        return opens
