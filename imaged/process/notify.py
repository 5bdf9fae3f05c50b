"""Notifications to the service manager, as datagrams to the socket that it names (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from twisted.logger import Logger


class Notifier:
    """Notifies the service manager, if there is one; never blocks, never raises.

    `address` is a path, or `@` and a name in the abstract namespace, or None without a manager. `watchdog_s` is the
    longest interval that the watchdog allows between two keep-alives, or None. A `muted` notifier sends nothing: the
    manager accepts notifications of the main process alone, which is another one then.
    """

    _log = Logger()

    def __init__(self, address: str | None, watchdog_s: float | None, *, muted: bool = False) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        # Opened once: a process that has run out of file descriptors must still send its keep-alives.
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) if address else None
        self.watchdog_s = watchdog_s
        self.muted = muted
        self.warning = ""
        """What each status line ends with, for the operator to see; a reload that succeeds clears it."""
        self._status = ""

    def ready(self) -> None:
        """Report the end of the start, or of a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report the start of a reload, and its time by CLOCK_MONOTONIC: an earlier READY is not its end."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report the start of the shutdown."""
        self._send("STOPPING=1")

    def status(self, line: str) -> None:
        """Report the state in a line, when it has changed."""
        line = "; ".join(part.partition("\n")[0] for part in (line, self.warning) if part)
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def main_process(self, pid: int) -> None:
        """Report which process is the main one; the manager then accepts notifications of that process alone."""
        self._send(f"MAINPID={pid}")

    def alive(self) -> None:
        """Send the keep-alive of the watchdog."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._sender is not None:
            self._sender.close()

    def _send(self, *lines: str) -> None:
        if self._sender is None or self._address is None or self.muted:
            return
        try:
            self._sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            self._log.warn(
                "cannot notify the service manager at {address} of {what}: {error}",
                address=self._address,
                what=lines[0],
                error=error.strerror,
            )


def make_notifier(environ: Mapping[str, str], *, muted: bool) -> Notifier:
    """Return the notifier that the environment describes (sd_notify(3), sd_watchdog_enabled(3))."""
    microseconds, own = environ.get("WATCHDOG_USEC", ""), str(os.getpid())
    watched = microseconds.isdecimal() and environ.get("WATCHDOG_PID", own) == own
    watchdog_s = int(microseconds) / 1e6 if watched else None
    return Notifier(environ.get("NOTIFY_SOCKET") or None, watchdog_s or None, muted=muted)
