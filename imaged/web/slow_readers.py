"""Ends the connection of a client that takes too little of what it is sent."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

STALL_S = 300.0
"""How often the progress of a client is checked. A slow client may read from the kernel's buffers for minutes."""

SLOWEST_READ_BYTES = 100
"""How many bytes a second a client must take, on average over STALL_S."""

UNSENT_BYTES = 1 << 18
"""How many bytes of answers the kernel keeps before it sends them. It would keep megabytes for each connection."""

_ACKED_OFFSET = 120
"""Where struct tcp_info (linux/tcp.h) has tcpi_bytes_acked, a u64."""


class SlowReaderWatch:
    """Calls `hang_up` with a reason when the client takes too little. Reactor thread only.

    `written_bytes` returns how many bytes the transport has got, which is the measure where the kernel does not say how
    many have arrived. Then any progress is enough: the transport gets bytes in pieces.
    """

    def __init__(
        self, call_later: Callable[..., Any], written_bytes: Callable[[], int], hang_up: Callable[[str], None]
    ) -> None:
        self._call_later, self._written_bytes, self._hang_up = call_later, written_bytes, hang_up
        self._call: Any = None

    def start(self, transport: Any) -> None:
        """Begin to watch, unless it has begun."""
        if self._call is None:
            self._look_later(transport)

    def stop(self) -> None:
        """End the watch."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def close(self) -> None:
        """End the watch of a connection that is lost, and release the functions, which refer to the connection."""
        self.stop()
        self._written_bytes, self._hang_up = lambda: 0, lambda _reason: None

    def _look_later(self, transport: Any) -> None:
        acked_bytes = _acked_bytes(transport)
        is_exact = acked_bytes is not None
        taken_bytes = self._written_bytes() if acked_bytes is None else acked_bytes
        self._call = self._call_later(STALL_S, self._look, transport, is_exact, taken_bytes)

    def _look(self, transport: Any, is_exact: bool, before_bytes: int) -> None:  # noqa: FBT001  # private
        acked_bytes = _acked_bytes(transport) if is_exact else self._written_bytes()
        self._call = None
        took_bytes = (acked_bytes or 0) - before_bytes
        if took_bytes >= (SLOWEST_READ_BYTES * STALL_S if is_exact else 1):
            self._look_later(transport)
        else:
            self._hang_up(f"the client took {took_bytes} bytes of the answer in {STALL_S:.0f} seconds: too slow")


def bound_unsent(transport: Any) -> None:
    """Bound what the kernel keeps for the client of a TCP connection."""
    with suppress(AttributeError, OSError):  # not TCP, or not Linux
        _socket(transport).setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def _acked_bytes(transport: Any) -> int | None:
    """Return how many bytes the client's kernel has acknowledged, or None: on other systems, or for a UNIX socket."""
    try:
        info = _socket(transport).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int(struct.unpack_from("=Q", info, _ACKED_OFFSET)[0])
    except (AttributeError, OSError, struct.error):
        return None


def _socket(transport: Any) -> Any:
    """Return the socket of a transport, which may be TLS over another one."""
    return getattr(transport, "transport", transport).getHandle()
