"""Upgrades by SIGUSR2."""

from __future__ import annotations

import http.client
import signal
from contextlib import suppress

from daemon import Daemon, until
from processes import Process, living_in


def upgrade(daemon: Daemon) -> Process:
    """Upgrade the daemon. Return the old process when the new one answers."""
    old = Process(daemon.pid)
    old.send(signal.SIGUSR2)
    until(lambda: daemon.pid != old.pid, daemon)
    return old


def complete(daemon: Daemon) -> int | None:
    """Wait until one healthy process is left, or none. Return its id or None."""
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
