"""Where log lines go: to the stream of the start, or to the files that the settings name, opened anew when asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.logger import LogEvent, Logger

from imaged.config.faults import KeyPath
from imaged.config.model import Log
from imaged.core.errors import StoreError
from imaged.core.tracing import current_trace
from imaged.daemon.access import AccessLog
from imaged.daemon.log import Stream, observer
from imaged.web.visits import Visit

_MODE = 0o640  # paths and addresses of clients are for the operator and his group
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY

Write = Callable[[LogEvent], None]


class LogFileError(StoreError):
    """A log file cannot be opened; `key` is the setting that names it."""

    def __init__(self, key: KeyPath, path: str, error: OSError) -> None:
        super().__init__(f"cannot write {path}: {error.strerror}")
        self.key = key


class LogFile:
    """One file that lines are added to, each with one write, so that none is ever mixed with another process's.

    What the disk does not take is lost and counted; the daemon goes on. Any thread may write: the lines of Twisted's
    logger come one at a time, or not at all, with the interpreter's lock held.
    """

    def __init__(self, key: KeyPath, path: str) -> None:
        self._key = key
        self.path = path
        self._descriptor = self._open()
        self._torn = False
        self.lost = 0
        self.fault: str | None = None

    def isatty(self) -> bool:
        """Say whether people look at it: as with any stream, when it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, text: str, /) -> None:
        """Add a line."""
        line = ("\n" if self._torn else "").encode() + text.encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self._lose(error.strerror)
            return
        self._torn = written < len(line)
        if self._torn:
            self._lose("the disk took half a line")
        else:
            self.fault = None

    def flush(self) -> None:
        """Do nothing: no line waits."""

    def reopen(self) -> None:
        """Open the path anew: a file that was moved away is followed by a new one. Raises LogFileError."""
        descriptor = self._open()
        self._descriptor, old = descriptor, self._descriptor
        os.close(old)

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)

    def _open(self) -> int:
        try:
            # A pipe that nobody reads would hold us up: without blocking it is an error instead.
            descriptor = os.open(self.path, _FLAGS | os.O_NONBLOCK, _MODE)
        except OSError as error:
            raise LogFileError(self._key, self.path, error) from error
        os.set_blocking(descriptor, True)
        return descriptor

    def _lose(self, reason: str | None) -> None:
        self.lost += 1
        self.fault = f"{self.path}: {reason}"


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

    def write_visit(self, visit: Visit) -> None:
        """Write the line of a request, if each is to be one. Reactor thread only."""
        if self._files.requests:
            self._access.write(visit)

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

    @property
    def state(self) -> dict[str, Any]:
        """How many lines the disk has not taken, and why not the last one, for `/status.json`."""
        faults = [each.fault for each in self._files.all if each.fault is not None]
        return {"lost": sum(each.lost for each in self._files.all), "fault": next(iter(faults), None)}
