"""SIGUSR2 and what comes of it."""

from __future__ import annotations

import http.client
import signal
from contextlib import suppress

from daemon import Daemon, until
from processes import Process, living_in


def upgrade(daemon: Daemon) -> Process:
    """Have a new process take over; return the old one when the new one answers."""
    old = Process(daemon.pid)
    old.send(signal.SIGUSR2)
    until(lambda: daemon.pid != old.pid, daemon)
    return old


def complete(daemon: Daemon) -> int | None:
    """Wait until one process serves and no other is left, or none is left; return the id of the one that serves."""
    return until(lambda: _settled(daemon), daemon)[0]  # type: ignore[no-any-return]  # an id or None


def _settled(daemon: Daemon) -> tuple[int | None] | None:
    living = living_in(daemon.folder)
    if not living:
        return (None,)
    if len(living) == 1:
        with suppress(OSError, http.client.HTTPException):
            status = daemon.status()
            if living == {status["pid"]} and status["message"] == "OK":
                return (int(status["pid"]),)
    return None
