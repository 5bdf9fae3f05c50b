"""Requests, taken note of as they end: a line of the log, counts, metrics, and the list of what went wrong."""

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
from imaged.logs.request_record import RequestRecord
from imaged.statuspage.recent import RecentErrors
from imaged.web.paths import describe_request, read_path

_WELL = 400


@dataclass(frozen=True)
class PublicRequestLog:
    """Takes note of the requests of the public port. `write` writes lines, `record` tells the sinks."""

    traffic: Traffic
    errors: RecentErrors
    record: Callable[[RequestAnswered | RequestFailed], None]
    write: Callable[[RequestRecord], None]
    now: Callable[[], datetime]

    def begin(self) -> None:
        """Count a request whose head has come."""
        self.traffic.begin()

    def describe(self, request: Request, trace: Trace) -> None:
        """Record in `trace` the subject of a request that is not handled, if its path has one."""
        with suppress(ImagedError):  # an unknown path has no subject
            describe_request(trace, read_path(request))

    def end(self, record: RequestRecord) -> None:
        """Take note of a request that `begin` began."""
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
    """Takes note of the requests of the status port: those that change something or fail. Monitoring asks all day."""

    write: Callable[[RequestRecord], None]

    def begin(self) -> None:
        """Do nothing: monitoring is not what the daemon is for."""

    def describe(self, request: Request, trace: Trace) -> None:
        """Do nothing: no path of the status port is about an image."""

    def end(self, record: RequestRecord) -> None:
        """Write a line where there is something to tell."""
        if record.status >= _WELL or record.method not in {"GET", "HEAD"}:
            self.write(record)


RequestLog = PublicRequestLog | StatusRequestLog
