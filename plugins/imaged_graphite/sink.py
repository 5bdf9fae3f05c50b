"""Gathers what happens, and tells carbon every two seconds the totals of the intervals that have changed."""

from __future__ import annotations

from imaged.api import Event

from .lines import lines
from .link import Link
from .slots import Slots

MAXIMUM_AT_ONCE = 60
"""How many intervals are sent with one flush, so that none takes long after carbon was away; about 50 KB."""


class GraphiteSink:
    """Counts for carbon, by names that begin with `prefix`. `slots` may be those of another sink too.

    What carbon has not been told waits until it can be.
    """

    flush_every_s = 2.0

    def __init__(self, prefix: str, link: Link, slots: Slots) -> None:
        self.detail = f"tcp {link.place} {prefix}."
        self._prefix = prefix
        self._link = link
        self._slots = slots

    def record(self, event: Event) -> None:
        """Count `event`."""
        self._slots.record(event)

    def flush(self) -> bool:
        """Send the totals that have changed; return whether any were.

        Raises OSError when that fails, and does not try again while that is too soon.
        """
        if self._link.lost():
            self._slots.doubt()  # what was sent last may have arrived after the other end was closed
        waiting = self._slots.changed()[:MAXIMUM_AT_ONCE]
        if not waiting or self._link.resting:
            return False
        try:
            self._link.send("".join(line for slot in waiting for line in lines(self._prefix, slot)).encode("ascii"))
        except OSError as error:
            dropped = self._slots.dropped
            told = f"; {dropped} intervals were too many to keep, and are lost" if dropped else ""
            raise OSError(f"{error}{told}") from error
        for slot in waiting:
            self._slots.sent(slot)
        return True

    def close(self) -> None:
        """Let go of the connection, and have a sink that goes on send again what the two may have sent at once."""
        self._slots.doubt()
        self._link.close()
