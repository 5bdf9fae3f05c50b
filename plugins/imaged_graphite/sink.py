"""Counts events, and sends carbon every two seconds the totals of the intervals that changed."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.api import Event

from .link import Link
from .slots import Slot, Slots

MAXIMUM_AT_ONCE = 60
"""How many intervals one flush sends, about 50 KB: a flush stays short after carbon was away."""


class GraphiteSink:
    """Counts for carbon under names that begin with `prefix`. Another sink may share `slots`.

    Totals that carbon does not have wait.
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
        """Send the totals that changed; return whether it sent any. Sends nothing during the pause after a failure.

        Raises OSError.
        """
        if self._link.lost():
            self._slots.resend_all()  # the last totals may have arrived after carbon closed the connection
        waiting = self._slots.changed()[:MAXIMUM_AT_ONCE]
        if not waiting or self._link.paused:
            return False
        try:
            self._link.send("".join(line for slot in waiting for line in lines(self._prefix, slot)).encode("ascii"))
        except OSError as error:
            self._slots.resend_all()
            dropped = self._slots.dropped
            told = f"; {dropped} intervals were too many to keep, and are lost" if dropped else ""
            raise OSError(f"{error}{told}") from error
        for slot in waiting:
            self._slots.sent(slot)
        return True

    def close(self) -> None:
        """Close the connection. A sink that shares the slots sends the totals again that both may have sent at once."""
        self._slots.resend_all()
        self._link.close()


def lines(prefix: str, slot: Slot) -> Iterator[str]:
    """Yield a line for each count and three for each timing, with the start of the interval as time.

    This is carbon's plain text: https://graphite.readthedocs.io/en/latest/feeding-carbon.html.
    """
    for name, count in slot.counted.counts.items():
        yield f"{prefix}.{name} {count} {slot.began_s}\n"
    for name, timing in slot.counted.timings.items():
        yield f"{prefix}.{name}.count {timing.count} {slot.began_s}\n"
        yield f"{prefix}.{name}.mean {timing.mean_ms:.3f} {slot.began_s}\n"
        yield f"{prefix}.{name}.upper {timing.upper_ms:.3f} {slot.began_s}\n"
