"""Records each request when it ends: a log line, counts, metrics, and the list of recent errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from twisted.web.http import Request

from imaged.core.errors import ImagedError
from imaged.core.events import RequestAnswered, RequestFailed
from imaged.core.snapshot import RecentError
from imaged.core.tracing import Trace
from imaged.core.traffic import CLIENT_LEFT, Traffic
from imaged.logs.request_lines import RequestRecord
from imaged.statuspage.recent import RecentErrors
from imaged.web.paths import describe_request, read_path

_WELL = 400


@dataclass(frozen=True)
class PublicRequestLog:
    """Records the requests of the public port. `write` writes log lines, `record` passes events to the sinks."""

    traffic: Traffic
    errors: RecentErrors
    record: Callable[[RequestAnswered | RequestFailed], None]
    write: Callable[[RequestRecord], None]
    now: Callable[[], datetime]

    def begin(self) -> None:
        """Count a request whose head is complete."""
        self.traffic.begin()

    def describe(self, request: Request, trace: Trace) -> None:
        """Record the path of a refused request in `trace`."""
        with suppress(ImagedError):  # an unknown path leaves the trace as it is
            describe_request(trace, read_path(request))

    def end(self, record: RequestRecord) -> None:
        """Record the end of a request that `begin` has counted."""
        trace, error = record.trace, record.error
        self.traffic.end(record.status, trace.outcome, record.size_bytes)
        self.record(
            RequestAnswered(
                trace.route,
                trace.namespace,
                trace.extension,
                record.status,
                trace.outcome,
                record.size_bytes,
                record.elapsed_s,
            )
        )
        if error is not None:
            if record.status != CLIENT_LEFT:
                self.record(RequestFailed(trace.namespace, trace.extension, record.status, trace.route))
            request = f"{record.method} {record.target}"
            self.errors.add(RecentError(self.now(), request, trace.request_id, record.status, str(error)))
        self.write(record)


@dataclass(frozen=True)
class StatusRequestLog:
    """Logs requests of the status port that fail or change something; requests of monitoring would hide them."""

    write: Callable[[RequestRecord], None]

    def begin(self) -> None:
        """Do nothing: the counts are those of the public port."""

    def describe(self, request: Request, trace: Trace) -> None:
        """Do nothing: no path of the status port is about an image."""

    def end(self, record: RequestRecord) -> None:
        """Write a log line for a request that failed or changed something."""
        if record.status >= _WELL or record.method not in {"GET", "HEAD"}:
            self.write(record)


RequestLog = PublicRequestLog | StatusRequestLog
