"""What the service manager is told, by the protocol of sd_notify(3): datagrams to the socket that it names."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping

from twisted.logger import Logger

SHORTEST_WATCHDOG_S = 0.1
"""A watchdog that wants a sign of life more often would have the daemon do nothing else."""

_WATCHDOG = re.compile("0*[1-9][0-9]{0,14}")


class Notifier:
    """Tells the service manager how this process is, where there is one; never blocks, never raises.

    `address` is a path, or a name in the abstract namespace with `@` before it; None: nobody listens. `watchdog_s` is
    how often it wants a sign of life at the latest, or None. While another process is the service, one is `muted`: the
    manager takes its word alone.
    """

    _log = Logger()

    def __init__(self, address: str | None, watchdog_s: float | None, *, muted: bool = False) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        # Made once: a process that is out of files must still be able to say that it lives.
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if address else None
        self.watchdog_s = watchdog_s
        self.muted = muted
        self.warning = ""
        """What each status line ends with, for the operator to see; a reload that succeeds clears it."""
        self._status = ""

    def ready(self) -> None:
        """Tell that the start, or a reload, is done."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Tell that a reload begins, and when by CLOCK_MONOTONIC, so that no READY of before is taken for its end."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that the process leaves."""
        self._tell("STOPPING=1")

    def status(self, line: str) -> None:
        """Tell in a line how things are, if that has changed."""
        line = "; ".join(part.partition("\n")[0] for part in (line, self.warning) if part)
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def main_process(self, pid: int) -> None:
        """Tell which process the service is from now on; the manager listens to that one only."""
        self._tell(f"MAINPID={pid}")

    def alive(self) -> None:
        """Give the watchdog its sign of life."""
        if self.watchdog_s is not None:
            self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Tell nothing more."""
        if self._sender is not None:
            self._sender.close()

    def _tell(self, *lines: str) -> None:
        if self._sender is None or self._address is None or self.muted:
            return
        try:
            self._sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            self._log.warn(
                "the service manager at {address} cannot be told {what}: {error}",
                address=self._address,
                what=lines[0],
                error=error.strerror,
            )


def make_notifier(environ: Mapping[str, str], *, muted: bool) -> Notifier:
    """Return the notifier that the environment asks for (sd_notify(3), sd_watchdog_enabled(3))."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
    watched = _WATCHDOG.fullmatch(microseconds) and pid == str(os.getpid())
    watchdog_s = max(int(microseconds) / 1e6, SHORTEST_WATCHDOG_S) if watched else None
    return Notifier(environ.get("NOTIFY_SOCKET") or None, watchdog_s, muted=muted)
