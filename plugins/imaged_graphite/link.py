"""A TCP connection that is made anew after a failure, with pauses that grow, and that notices when its peer is gone."""

from __future__ import annotations

import math
import socket
import struct
import threading
from collections.abc import Callable

PATIENCE_S = 3.0
"""How long an address may take to answer, and how long carbon may take for what is sent at once."""

FIRST_REST_S = 1.0
LONGEST_REST_S = 30.0
"""How long nothing is tried after a failure; each further one doubles it."""

ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER as in socket(7): close and forget what was not sent, so that it cannot arrive after what is sent next."""


class Link:
    """Sends bytes to one host. `monotonic` is a clock. One thread at a time, but for `close`."""

    def __init__(self, host: str, port: int, monotonic: Callable[[], float], patience_s: float = PATIENCE_S) -> None:
        self._host = host
        self._port = port
        self._monotonic = monotonic
        self._lock = threading.Lock()  # around what `close` ends
        self._socket: socket.socket | None = None
        self._closed = self._ended = False
        self._patience_s = patience_s
        self._rest_s = FIRST_REST_S
        self._rests_until_s = -math.inf

    @property
    def place(self) -> str:
        """Return where the bytes go, as operators write it."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    @property
    def resting(self) -> bool:
        """Whether it failed so shortly ago that it is not tried yet."""
        return self._monotonic() < self._rests_until_s

    def lost(self) -> bool:
        """Return whether a connection has ended since the last time that this was asked."""
        if self._socket is not None and not _alive(self._socket):
            self._drop()
        ended, self._ended = self._ended, False
        return ended

    def send(self, lines: bytes) -> None:
        """Send all of it, over a new connection where there is none. Raises OSError, and then rests.

        After a failure nobody knows how much has arrived, and the connection has ended.
        """
        connection = self._socket or self._connect()
        try:
            connection.settimeout(self._patience_s)
            connection.sendall(lines)
        except OSError as error:
            self._drop()
            self._rest()
            stalled = isinstance(error, TimeoutError)
            told = f"took too long, over {self._patience_s:g} s" if stalled else f"is gone: {error.strerror or error}"
            raise OSError(f"{self.place} {told}") from error
        self._rest_s = FIRST_REST_S

    def close(self) -> None:
        """Send no more; returns at once, on any thread. What was sent still arrives."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                self._socket.close()

    def _rest(self) -> None:
        self._rests_until_s = self._monotonic() + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)

    def _connect(self) -> socket.socket:
        try:
            made = socket.create_connection((self._host, self._port), timeout=self._patience_s)
        except OSError as error:
            self._rest()
            raise OSError(f"no connection to {self.place}: {error.strerror or error}") from error
        with self._lock:
            self._socket = made
            if self._closed:
                made.close()
        return made

    def _drop(self) -> None:
        with self._lock:
            dropped, self._socket = self._socket, None
            if dropped is not None and not self._closed:
                self._ended = True
                dropped.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                dropped.close()


def _alive(connection: socket.socket) -> bool:
    """Say whether the other end is still open. Carbon says nothing; what another says is not listened to."""
    try:
        connection.setblocking(False)
        return connection.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
