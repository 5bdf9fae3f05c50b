"""How one metrics sink stands: what it was told, what it missed, and what is wrong with it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from twisted.logger import Logger

TELL_EVERY_S = 60.0
"""How often the log is told that a sink fails, however often it does."""

Doing = Literal["record", "flush", "scrape", "hang"]
"""What a sink can fail at: each is mended only by the same going well."""


@dataclass(frozen=True)
class SinkStatus:
    """How a sink stands.

    It was told of `recorded` events, `failed` at so many of these, and others were `lost`, for it was too slow;
    `last_missed_s` ago it failed at one or lost one, None for never. `fault` is what is wrong now, or None.
    """

    name: str
    recorded: int
    failed: int
    lost: int
    flushes_failed: int
    scrapes_failed: int
    last_missed_s: float | None
    fault: str | None


class SinkHealth:
    """Counts for the feed of the sink `name`, and tells the log of faults. `clock` is the reactor's."""

    _log = Logger()

    def __init__(self, name: str, clock: Any) -> None:
        self._name = name
        self._clock = clock
        self._recorded = self._failed = self._lost = self._flushes_failed = self._scrapes_failed = 0
        self._missed_at_s: float | None = None
        self._faults: dict[Doing, str] = {}
        self._told_at_s: float | None = None
        self._log_believes_it_fails = False

    @property
    def told(self) -> SinkStatus:
        """How it stands now."""
        missed_at_s = self._missed_at_s
        return SinkStatus(
            self._name,
            self._recorded,
            self._failed,
            self._lost,
            self._flushes_failed,
            self._scrapes_failed,
            None if missed_at_s is None else round(self._clock.seconds() - missed_at_s, 3),
            next(iter(self._faults.values()), None),
        )

    def recorded(self, events: int, failed: int, fault: str) -> None:
        """Take note that it was told of some events, and `failed` at so many with `fault`."""
        self._recorded += events
        if failed:
            self._failed += failed
            self._missed_at_s = self._clock.seconds()
            self._fails("record", fault)

    def flush_failed(self, fault: str) -> None:
        """Take note of a flush."""
        self._flushes_failed += 1
        self._fails("flush", fault)

    def scrape_failed(self, fault: str) -> None:
        """Take note of a scrape."""
        self._scrapes_failed += 1
        self._fails("scrape", fault)

    def lost(self, events: int, fault: str | None) -> None:
        """Take note that events were lost to it; None for `fault` where that is as it should be."""
        self._lost += events
        if fault is not None:
            self._missed_at_s = self._clock.seconds()
            self._faults["hang"] = fault
            self._tell_log("metrics sink {sink} {fault}, more are lost to it", fault)

    def hangs(self, for_s: float) -> None:
        """Take note that it has not come back from a call for so many seconds; that is over when it does."""
        self._fails("hang", f"hangs: it has been told something {for_s:g} s ago, and has not come back")

    def works(self, doing: Doing) -> None:
        """Take note that something went well; the log is told when nothing is wrong any more."""
        if self._faults.pop(doing, None) is None or self._faults or not self._log_believes_it_fails:
            return
        self._log_believes_it_fails = False
        self._log.info("metrics sink {sink} works again", sink=self._name)

    def _fails(self, doing: Doing, fault: str) -> None:
        self._faults[doing] = fault
        self._tell_log("metrics sink {sink} fails: {fault}; {failed} failures so far", fault)

    def _tell_log(self, format: str, fault: str) -> None:
        now_s = self._clock.seconds()
        if self._told_at_s is None or now_s - self._told_at_s >= TELL_EVERY_S:
            self._told_at_s = now_s
            self._log_believes_it_fails = True
            failed = self._failed + self._flushes_failed + self._scrapes_failed
            self._log.error(format, sink=self._name, fault=fault, failed=failed)
