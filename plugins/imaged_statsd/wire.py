"""A UDP socket to a name, which it looks up again periodically and after failures."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable
from typing import Any

LOOK_UP_EVERY_S = 60.0
"""How long an address of the name is used: StatsD may move to another machine."""

RETRY_LOOKUP_S = 1.0
"""The same after a failure."""


class Wire:
    """Sends datagrams to one host. `monotonic` is a clock. One thread at a time, but for `close`."""

    def __init__(self, host: str, port: int, monotonic: Callable[[], float]) -> None:
        self._host = host
        self._port = port
        self._monotonic = monotonic
        self._lock = threading.Lock()  # around the socket, which `close` closes on another thread
        self._socket: socket.socket | None = None
        self._closed = False
        self._peer: Any = None
        self._refused: Any = None
        self._failed = False
        self._looked_up_at_s = -math.inf

    @property
    def place(self) -> str:
        """The host and port, as operators write them."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def send(self, datagram: bytes) -> bool:
        """Send a datagram; return False if an earlier one was refused. Raises OSError if it was not sent.

        The ICMP answer of a port where nothing listens arrives as the error of the next call, which sends nothing.
        """
        connected = self._connected()
        try:
            connected.send(datagram)
        except ConnectionRefusedError:
            self._refused, self._failed = self._peer, True
            self._connected().send(datagram)
            return False
        except OSError:
            self._failed = True
            raise
        return True

    def close(self) -> None:
        """Close the socket. Returns at once. Any thread."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                self._socket.close()

    def _connected(self) -> socket.socket:
        known_for_s = self._monotonic() - self._looked_up_at_s
        if self._socket is None or known_for_s >= (RETRY_LOOKUP_S if self._failed else LOOK_UP_EVERY_S):
            return self._look_up()
        return self._socket

    def _look_up(self) -> socket.socket:
        """Look the name up, and return a socket to one of its addresses, perhaps the present one."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise OSError(f"{self._host} cannot be looked up: {error.strerror}") from error
        # A name may have several addresses: `localhost` has ::1 first, where StatsD does not listen by default.
        found.sort(key=lambda each: each[4] == self._refused)
        current = self._socket
        if current is None or self._peer == self._refused or self._peer not in [each[4] for each in found]:
            current = self._connect(found)
        self._refused, self._failed = None, False
        self._looked_up_at_s = self._monotonic()
        return current

    def _connect(self, found: list[Any]) -> socket.socket:
        fault: OSError | None = None
        for family, kind, protocol, _, address in found:
            made = socket.socket(family, kind, protocol)
            try:
                made.setblocking(False)
                made.connect(address)
            except OSError as error:
                made.close()
                fault = error
            else:
                self._use(made, address)
                return made
        raise OSError(f"no way to udp {self.place}: {fault}")

    def _use(self, made: socket.socket, address: Any) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            if self._closed:
                made.close()
            self._socket, self._peer = made, address
