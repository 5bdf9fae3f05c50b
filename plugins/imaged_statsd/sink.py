"""Counts events, and sends the figures every two seconds: a few datagrams from a busy server, none from an idle one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from imaged.api import Event, Tally

from .lines import datagrams, lines
from .wire import Wire

MAXIMUM_TIMINGS = 1000
"""How many timings of a kind one flush sends; of more it sends a sample, with its rate."""


class StatsdSink:
    """Counts for StatsD under names that begin with `prefix`. `choose` draws random numbers, as in Tally.

    Datagrams that cannot be sent wait for the next flush; events until then are added to one tally, which stays small.
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
        """Send the figures; return whether there were any.

        Raises OSError if they cannot be sent, or if nothing listens at the address.
        """
        sent = refused = False
        while self._unsent or not self._tally.empty:
            if not self._unsent:
                self._unsent.extend(datagrams(lines(self._prefix, self._tally.take())))
            refused |= not self._wire.send(self._unsent[0])
            self._unsent.popleft()
            sent = True
        if refused:
            raise ConnectionRefusedError(f"nothing listens on udp {self._wire.place}: what was sent is lost")
        return sent

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()
