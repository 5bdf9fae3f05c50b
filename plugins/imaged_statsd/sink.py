"""Gathers what happens and sends it every two seconds: a busy server sends a handful of datagrams, an idle one none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from imaged.api import Event, Tally

from .lines import datagrams, lines
from .wire import Wire

MAXIMUM_TIMINGS = 1000
"""How many timings of a kind are sent with each flush; of more, this many and their share."""


class StatsdSink:
    """Counts for StatsD, by names that begin with `prefix`. `choose` draws whole numbers, as in Tally.

    What cannot be sent waits for the next flush, and what happens meanwhile is counted with it, so it stays small.
    """

    flush_every_s = 2.0

    def __init__(self, prefix: str, wire: Wire, choose: Callable[[int], int]) -> None:
        self.detail = f"udp {wire.place} {prefix}."
        self._prefix = prefix
        self._wire = wire
        self._tally = Tally(MAXIMUM_TIMINGS, choose)
        self._unsent: deque[bytes] = deque()

    def record(self, event: Event) -> None:
        """Count `event`."""
        if Tally.counts(event):
            self._tally.record(event)

    def flush(self) -> bool:
        """Send what was counted; return whether there was any.

        Raises OSError when that cannot be sent, or when nobody listens.
        """
        sent = refused = False
        while self._unsent or not self._tally.empty:
            if not self._unsent:
                self._unsent.extend(datagrams(lines(self._prefix, self._tally.take())))
            refused |= not self._wire.send(self._unsent[0])
            self._unsent.popleft()
            sent = True
        if refused:
            raise ConnectionRefusedError(f"nobody listens on udp {self._wire.place}: what was sent is lost")
        return sent

    def close(self) -> None:
        """Let go of the socket."""
        self._wire.close()
