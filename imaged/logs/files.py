"""Where log lines go: to standard error, or to the files that the settings name, which SIGHUP reopens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.logger import LogEvent, Logger

from imaged.config.model import LogSettings
from imaged.core.snapshot import LogStatus
from imaged.core.tracing import current_trace
from imaged.logs.lines import Stream, observer
from imaged.logs.request_lines import AccessLog, RequestRecord
from imaged.logs.streams import LogFile, LogFileError, LogStream

Write = Callable[[LogEvent], None]


@dataclass(frozen=True)
class LogFiles:
    """The open log files of one configuration.

    `main` is None if lines go to the stream, `access` if the lines of requests go where the others go. `requests` says
    whether each request gets a line.
    """

    main: LogFile | None
    access: LogFile | None
    requests: bool

    @property
    def all(self) -> list[LogFile]:
        """The files that the settings name."""
        return [each for each in (self.main, self.access) if each is not None]

    def close(self) -> None:
        """Close the files."""
        for each in self.all:
            each.close()


def open_files(settings: LogSettings) -> LogFiles:
    """Open the files that `settings` name. Blocking. Raises LogFileError, and then no file stays open."""
    main = LogFile(("log", "path"), settings.path) if settings.path else None
    try:
        access = LogFile(("log", "access_path"), settings.access_path) if settings.access_path else None
    except LogFileError:
        if main is not None:
            main.close()
        raise
    return LogFiles(main, access, settings.access)


class Logs:
    """Writes each log event to its file, with the id of its request.

    Writes to `stream` until `use` is called. `clock` is the reactor's.
    """

    _log = Logger()

    def __init__(self, stream: Stream, clock: Any) -> None:
        self._stream = stream
        self._clock = clock
        self._files = LogFiles(None, None, requests=True)
        self._main: Write = observer(stream)
        self._access = AccessLog(stream, clock, time.time)

    def write(self, event: LogEvent) -> None:
        """Write one event. Any thread."""
        trace = current_trace()
        if trace is not None and "request_id" not in event:
            event = {**event, "request_id": trace.request_id}
        self._main(event)

    def write_request(self, record: RequestRecord) -> None:
        """Write the line of a request, unless the settings leave these out. Reactor thread only."""
        if self._files.requests:
            self._access.write(record)

    def flush(self) -> None:
        """Write the queued lines of requests."""
        self._access.flush()

    def end(self) -> None:
        """Write the queued lines of requests now, and each further one at once."""
        self._access.end()

    def use(self, files: LogFiles) -> None:
        """Write to `files` from now on, and close the files before."""
        if files.main is not None and self._files.main is None:
            self._log.info("the log continues in {path}", path=files.main.path)
        old, self._files = self._files, files
        self.flush()
        main = files.main or self._stream
        self._main, self._access = observer(main), AccessLog(files.access or main, self._clock, time.time)
        old.close()

    def reopen(self) -> None:
        """Open the files again, after logrotate has moved them. A file that cannot be opened stays open as it was."""
        self.flush()
        for each in self._files.all:
            try:
                each.reopen()
            except LogFileError as error:
                self._log.error("{error}; lines still go to the file that was moved", error=str(error))

    def drain(self) -> None:
        """Write what waits for a slow reader, before the process ends."""
        self.flush()
        for each in self._streams:
            each.drain()

    @property
    def state(self) -> LogStatus:
        """How many lines were lost, and what keeps the present ones from being written."""
        faults = [each.fault for each in self._streams if each.fault is not None]
        return LogStatus(sum(each.lost for each in self._streams), next(iter(faults), None))

    @property
    def _streams(self) -> list[LogStream]:
        return [each for each in (self._stream, *self._files.all) if isinstance(each, LogStream)]
