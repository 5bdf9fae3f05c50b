"""A UDP socket to a name, which it looks up again periodically and after failures."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Any

LOOK_UP_EVERY_S = 60.0
"""How long an address of the name is used: StatsD may move to another machine."""


class Wire:
    """Sends datagrams to one host. `monotonic` is a clock. One thread at a time."""

    def __init__(self, host: str, port: int, monotonic: Callable[[], float]) -> None:
        self._host = host
        self._port = port
        self._monotonic = monotonic
        self._socket: socket.socket | None = None
        self._peer: Any = None
        self._refused: Any = None
        self._look_up_at_s = -math.inf

    @property
    def place(self) -> str:
        """The host and port, as operators write them."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def send(self, datagram: bytes) -> bool:
        """Send a datagram; return False if an earlier one was refused. Raises OSError if it was not sent.

        The ICMP answer of a port where nothing listens arrives as the error of the next call, which sends nothing.
        """
        try:
            self._connected().send(datagram)
        except ConnectionRefusedError:
            self._refused, self._look_up_at_s = self._peer, -math.inf
            self._connected().send(datagram)
            return False
        except OSError:
            self._look_up_at_s = -math.inf
            raise
        return True

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._monotonic() < self._look_up_at_s:
            return self._socket
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise OSError(f"{self._host} cannot be looked up: {error.strerror}") from error
        # A name may have several addresses: `localhost` has ::1 first, where StatsD does not listen by default.
        found.sort(key=lambda each: (each[4] == self._refused, each[4] != self._peer))
        fault: OSError | None = None
        for family, kind, protocol, _, address in found:
            made = socket.socket(family, kind, protocol)
            try:
                made.connect(address)
            except OSError as error:
                made.close()
                fault = error
            else:
                self.close()
                self._socket, self._peer, self._refused = made, address, None
                self._look_up_at_s = self._monotonic() + LOOK_UP_EVERY_S
                return made
        raise OSError(f"cannot send to udp {self.place}: {fault}")
