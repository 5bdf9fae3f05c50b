"""The service manager's end of sd_notify(3)."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = struct.Struct("iII")
"""`struct ucred`: process, user and group; see unix(7)."""

LONGEST_S = 30.0


@dataclass(frozen=True)
class Message:
    """One datagram: the id of its sender and its assignments."""

    pid: int
    text: str

    @property
    def fields(self) -> dict[str, str]:
        """The assignments."""
        return {key: value for key, _, value in (line.partition("=") for line in self.text.splitlines())}


class NotifySocket:
    """Receives the daemons' messages on a thread: the kernel queues few datagrams. `seen` has those already read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[Message] = []
        self._arrived: queue.Queue[Message] = queue.Queue()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def wait_for(self, *texts: str) -> Message:
        """Read messages until each text has occurred. Return the last message."""
        end_s = time.monotonic() + LONGEST_S
        missing = set(texts)
        while True:
            try:
                message = self._arrived.get(timeout=max(0.0, end_s - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{missing} did not arrive; so far: {self.seen}") from None
            self.seen.append(message)
            missing -= {text for text in missing if text in message.text}
            if not missing:
                return message

    def close(self) -> None:
        """Close the socket."""
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def _receive(self) -> None:
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(CREDENTIALS.size))
            if not data:
                return
            [(_, _, credentials)] = ancillary
            self._arrived.put(Message(CREDENTIALS.unpack(credentials)[0], data.decode()))
