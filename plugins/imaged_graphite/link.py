"""A TCP connection that reconnects after a failure, with growing pauses, and notices that its peer has closed it."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Callable

TIMEOUT_S = 3.0
"""How long connecting to an address may take, and how long one send."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
"""The pause after a failure; each further failure doubles it."""

ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER (socket(7)): close, and drop unsent bytes, which must not arrive after those of the next connection."""


class Link:
    """Sends bytes to one host. `monotonic` is a clock. One thread at a time."""

    def __init__(self, host: str, port: int, monotonic: Callable[[], float], timeout_s: float = TIMEOUT_S) -> None:
        self._host = host
        self._port = port
        self._monotonic = monotonic
        self._socket: socket.socket | None = None
        self._timeout_s = timeout_s
        self._pause_s = FIRST_PAUSE_S
        self._paused_until_s = -math.inf

    @property
    def place(self) -> str:
        """The host and port, as operators write them."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    @property
    def paused(self) -> bool:
        """Whether the pause after a failure is not over."""
        return self._monotonic() < self._paused_until_s

    def lost(self) -> bool:
        """Return whether the peer has closed the connection since the last call."""
        if self._socket is None or _alive(self._socket):
            return False
        self._abort()
        return True

    def send(self, lines: bytes) -> None:
        """Send the lines, over a new connection if there is none. After an OSError a pause begins.

        After a failure the connection is closed, and how much has arrived is unknown.
        """
        doing = f"no connection to {self.place}:"
        try:
            if self._socket is None:
                self._socket = socket.create_connection((self._host, self._port), timeout=self._timeout_s)
            doing = f"{self.place} is gone:"
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(lines)
        except OSError as error:
            stalled = self._socket is not None and isinstance(error, TimeoutError)
            self._abort()
            self._paused_until_s = self._monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            if stalled:
                raise OSError(f"{self.place} took too long, over {self._timeout_s:g} s") from error
            raise OSError(f"{doing} {error.strerror or error}") from error
        self._pause_s = FIRST_PAUSE_S

    def close(self) -> None:
        """Close the connection; sent bytes still arrive."""
        if self._socket is not None:
            self._socket.close()

    def _abort(self) -> None:
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            self._socket.close()
            self._socket = None


def _alive(connection: socket.socket) -> bool:
    """Return whether the peer has not closed the connection. Carbon sends nothing; other bytes are ignored."""
    try:
        connection.setblocking(False)
        return connection.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
