"""Where log lines go: to the stream of the start, or to the files that the settings name, opened anew when asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from select import POLLOUT, poll
from threading import Lock
from typing import Any

from twisted.logger import LogEvent, Logger

from imaged.config.faults import KeyPath
from imaged.config.model import Log
from imaged.core.errors import StoreError
from imaged.core.snapshot import LogStatus
from imaged.core.tracing import current_trace
from imaged.logs.lines import Stream, observer
from imaged.logs.request_lines import AccessLog
from imaged.logs.request_record import RequestRecord

_MODE = 0o640  # paths and addresses of clients are for the operator and his group
# A pipe whose reader is slow, or not there, would hold up the daemon: without blocking, lines wait instead.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

Write = Callable[[LogEvent], None]


class LogFileError(StoreError):
    """A log file cannot be opened; `key` is the setting that names it."""

    def __init__(self, key: KeyPath, path: str, error: OSError) -> None:
        super().__init__(f"cannot write {path}: {error.strerror}")
        self.key = key


MAXIMUM_REST_BYTES = 1 << 20
"""How much waits for a disk that is full or a reader that is slow; more is lost."""

PATIENCE_S = 0.005
"""How long the reader of a pipe, which holds 64 KiB, may take to make room before the rest waits for a later line."""

DRAIN_S = 1.0
"""How long the reader of a pipe may take at the end of the process, which a later line cannot follow."""


class Outlet:
    """Adds lines to an open file.

    What the file does not take waits for the next line, up to a bound; more is lost and counted, and nobody hears of it
    but through `lost` and `fault`: a full disk must not cost a request. Any thread; `name` is what a fault calls it.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self._name = name
        self._descriptor = descriptor
        self._lock = Lock()  # between a thread's write and a close, the number could come to stand for a picture
        self._rest = b""
        self.lost = 0
        self.fault: str | None = None

    def isatty(self) -> bool:
        """Say whether people look at it: as with any stream, when it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, text: str, /) -> None:
        """Add a line, or several."""
        lines = text.encode("utf-8", "backslashreplace")
        with self._lock:
            self._rest = self._put(self._rest + lines)
            if len(self._rest) > MAXIMUM_REST_BYTES:
                kept_bytes = self._rest.rfind(b"\n", 0, MAXIMUM_REST_BYTES) + 1
                self.lost += self._rest.count(b"\n", kept_bytes)
                self._rest = self._rest[:kept_bytes]

    def flush(self) -> None:
        """Do nothing: what could be written has been."""

    def drain(self) -> None:
        """Write what still waits, when no more will come: a reader that is slow has DRAIN_S."""
        with self._lock:
            self._rest = self._put(self._rest, DRAIN_S)

    def _put(self, data: bytes, patience_s: float = PATIENCE_S) -> bytes:
        """Write what the file takes, and return the rest."""
        end_s = time.monotonic() + patience_s
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                if not self._has_room_by(end_s):
                    self.fault = f"{self._name}: its reader is slow"
                    return data
            except OSError as error:
                self.fault = f"{self._name}: {error.strerror}"
                return data
        self.fault = None
        return data

    def _has_room_by(self, end_s: float) -> bool:
        waiting = poll()
        waiting.register(self._descriptor, POLLOUT)
        return bool(waiting.poll(max(0.0, 1000 * (end_s - time.monotonic()))))


class LogFile(Outlet):
    """A file by its path, which may be moved away while it is open. `key` is the setting that names it."""

    def __init__(self, key: KeyPath, path: str) -> None:
        self._key = key
        self.path = path
        super().__init__(path, self._open())

    def reopen(self) -> None:
        """Open the path anew: a file that was moved away is followed by a new one. Raises LogFileError."""
        descriptor = self._open()
        with self._lock:
            self._rest = self._put(self._rest)
            os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)

    def close(self) -> None:
        """Write no more: what comes late is lost."""
        with self._lock:
            self._put(self._rest)
            descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self.path, _FLAGS, _MODE)
        except OSError as error:
            raise LogFileError(self._key, self.path, error) from error


@dataclass(frozen=True)
class LogFiles:
    """The files of one configuration, open; None where lines go to the stream, or to where the others go.

    `requests` says whether each request is a line.
    """

    main: LogFile | None
    access: LogFile | None
    requests: bool

    @property
    def all(self) -> list[LogFile]:
        """Those that there are."""
        return [each for each in (self.main, self.access) if each is not None]

    def close(self) -> None:
        """Close them."""
        for each in self.all:
            each.close()


def open_files(settings: Log) -> LogFiles:
    """Open what `settings` name. Blocking. Raises LogFileError, and then nothing stays open."""
    main = LogFile(("log", "path"), settings.path) if settings.path else None
    try:
        access = LogFile(("log", "access_path"), settings.access_path) if settings.access_path else None
    except LogFileError:
        if main is not None:
            main.close()
        raise
    return LogFiles(main, access, settings.access)


class Logs:
    """Writes each log event to where it belongs, with the id of the request it belongs to.

    Until `use` is called, all goes to `stream`. `clock` is the reactor's.
    """

    _log = Logger()

    def __init__(self, stream: Stream, clock: Any) -> None:
        self._stream = stream
        self._clock = clock
        self._files = LogFiles(None, None, requests=True)
        self._main: Write = observer(stream)
        self._access = AccessLog(stream, clock, time.time)

    def write(self, event: LogEvent) -> None:
        """Observe one event. Any thread."""
        trace = current_trace()
        if trace is not None and "request_id" not in event:
            event = {**event, "request_id": trace.request_id}
        self._main(event)

    def write_request(self, record: RequestRecord) -> None:
        """Write the line of a request, if each is to be one. Reactor thread only."""
        if self._files.requests:
            self._access.write(record)

    def flush(self) -> None:
        """Write the lines that still wait for others."""
        self._access.flush()

    def end(self) -> None:
        """Write the lines that still wait, and each further one at once."""
        self._access.end()

    def use(self, files: LogFiles) -> None:
        """Write to `files` from now on, and close those before."""
        if files.main is not None and self._files.main is None:
            self._log.info("the log goes on in {path}", path=files.main.path)
        old, self._files = self._files, files
        self.flush()
        main = files.main or self._stream
        self._main, self._access = observer(main), AccessLog(files.access or main, self._clock, time.time)
        old.close()

    def reopen(self) -> None:
        """Open the files anew: who rotates them has moved them away. One that cannot be opened stays as it was."""
        self.flush()
        for each in self._files.all:
            try:
                each.reopen()
            except LogFileError as error:
                self._log.error("{error}; lines go on to where the file has been moved", error=str(error))

    def drain(self) -> None:
        """Write what still waits for a slow reader, when the process is about to end."""
        self.flush()
        for each in (self._stream, *self._files.all):
            if isinstance(each, Outlet):
                each.drain()

    @property
    def state(self) -> LogStatus:
        """How many lines could not be written, and why, for the status page."""
        outlets = [each for each in (self._stream, *self._files.all) if isinstance(each, Outlet)]
        faults = [each.fault for each in outlets if each.fault is not None]
        return LogStatus(sum(each.lost for each in outlets), next(iter(faults), None))
