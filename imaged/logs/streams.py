"""Where log lines are written: standard error, a file or a pipe, without blocking.

The handlers of `logging` and Twisted's observers write blocking: a pipe whose reader is slow would stop the daemon.
"""

from __future__ import annotations

import os
import time
from select import POLLOUT, poll
from threading import Lock

from imaged.config.faults import KeyPath
from imaged.core.errors import StoreError

MAXIMUM_PENDING_BYTES = 1 << 20
"""How much text waits for a full disk or a slow reader; more is lost."""

PIPE_S = 0.005
"""How long a write waits for the reader of a full pipe, which holds 64 KiB; then the text waits for the next write."""

DRAIN_S = 1.0
"""How long the last write of the process waits for the reader."""

_MODE = 0o640  # paths and addresses of clients are for the operator and the operator's group
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class LogFileError(StoreError):
    """A log file cannot be opened; `key` is the setting that names it."""

    def __init__(self, key: KeyPath, path: str, error: OSError) -> None:
        super().__init__(f"cannot write {path}: {error.strerror}")
        self.key = key


class LogStream:
    """Writes lines to an open descriptor. Any thread; `name` is what `fault` calls it.

    What the descriptor does not take waits for the next write, up to MAXIMUM_PENDING_BYTES. More is `lost`, in whole
    lines. No method raises for that: a full disk must not fail a request.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self._name = name
        self._descriptor = descriptor
        self._lock = Lock()  # a write after a close could go to another file of the same number
        self._pending = b""
        self.lost = 0
        """How many lines were lost."""
        self.fault: str | None = None
        """Why the last write did not take everything, None if it did."""

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, text: str, /) -> None:
        """Add a line, or several."""
        lines = text.encode("utf-8", "backslashreplace")
        with self._lock:
            self._pending = self._put(self._pending + lines, PIPE_S)
            if len(self._pending) > MAXIMUM_PENDING_BYTES:
                kept_bytes = self._pending.rfind(b"\n", 0, MAXIMUM_PENDING_BYTES) + 1
                self.lost += self._pending.count(b"\n", kept_bytes)
                self._pending = self._pending[:kept_bytes]

    def drain(self) -> None:
        """Write what waits, when no further write will come."""
        with self._lock:
            self._pending = self._put(self._pending, DRAIN_S)

    def _put(self, data: bytes, timeout_s: float) -> bytes:
        """Write what the descriptor takes, and return the rest."""
        end_s = time.monotonic() + timeout_s
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                waiting = poll()
                waiting.register(self._descriptor, POLLOUT)
                if not waiting.poll(max(0.0, 1000 * (end_s - time.monotonic()))):
                    self.fault = f"{self._name}: its reader is slow"
                    return data
            except OSError as error:
                self.fault = f"{self._name}: {error.strerror}"
                return data
        self.fault = None
        return data


class LogFile(LogStream):
    """A log file by its path. `key` is the setting that names it."""

    def __init__(self, key: KeyPath, path: str) -> None:
        self._key = key
        self.path = path
        super().__init__(path, self._open())

    def reopen(self) -> None:
        """Open the path again, after logrotate has moved the file away. Raises LogFileError, and changes nothing."""
        descriptor = self._open()
        with self._lock:
            self._pending = self._put(self._pending, PIPE_S)
            os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)

    def close(self) -> None:
        """Close the file; later lines are lost."""
        with self._lock:
            self._put(self._pending, PIPE_S)
            descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self.path, _FLAGS, _MODE)
        except OSError as error:
            raise LogFileError(self._key, self.path, error) from error
