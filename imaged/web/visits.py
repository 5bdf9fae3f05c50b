"""Requests, taken note of as they end: a line of the log, counts, metrics, and the list of what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.core.events import RequestAnswered
from imaged.core.recent import RecentError, RecentErrors
from imaged.core.tracing import Trace
from imaged.core.traffic import Traffic

ACCESS = "imaged.access"
"""The logger of the lines of requests, which may go to a file of their own."""

_log = Logger(namespace=ACCESS)

_WELL = 400


@dataclass(frozen=True)
class Visit:
    """One request that has ended; `target` is fit for a log, `size_bytes` counts what was sent of the body."""

    trace: Trace
    client: str
    method: str
    target: str
    status: int
    size_bytes: int
    elapsed_s: float
    error: ImagedError | None


def write_line(visit: Visit) -> None:
    """Write the line of a request."""
    trace = visit.trace
    spans_ms = trace.spans_ms
    words = [trace.outcome, *(f"{name} {spent_ms:.1f}" for name, spent_ms in spans_ms.items())]
    _log.info(
        "{method} {path} {status} {bytes} bytes {elapsed_ms:.1f} ms{details}",
        method=visit.method,
        path=visit.target,
        status=visit.status,
        bytes=visit.size_bytes,
        elapsed_ms=round(1000 * visit.elapsed_s, 3),
        client=visit.client,
        request_id=trace.request_id,
        **{f"{name}_ms": spent_ms for name, spent_ms in spans_ms.items()},
        **{
            name: value
            for name, value in (
                ("namespace", trace.namespace),
                ("output", trace.output),
                ("outcome", trace.outcome),
                ("error", visit.error and str(visit.error)),
            )
            if value is not None
        },
        details="".join(f" {word}" for word in words if word) + (f": {visit.error}" if visit.error else ""),
    )


@dataclass(frozen=True)
class PublicVisits:
    """Takes note of the requests of the public port. `lines` says whether each is a line, `record` tells the sinks."""

    traffic: Traffic
    errors: RecentErrors
    record: Callable[[RequestAnswered], None]
    lines: Callable[[], bool]
    now: Callable[[], datetime]

    def begin(self) -> None:
        """Count a request as being answered."""
        self.traffic.begin()

    def end(self, visit: Visit) -> None:
        """Take note of a request that `begin` began."""
        trace, error = visit.trace, visit.error
        self.traffic.end(visit.status, trace.outcome, visit.size_bytes)
        self.record(
            RequestAnswered(
                trace.route,
                trace.namespace,
                trace.extension,
                visit.status,
                trace.outcome,
                visit.size_bytes,
                visit.elapsed_s,
            )
        )
        if error is not None:
            request = f"{visit.method} {visit.target}"
            self.errors.add(RecentError(self.now(), request, trace.request_id, visit.status, str(error)))
        if self.lines():
            write_line(visit)


@dataclass(frozen=True)
class PrivateVisits:
    """Takes note of the requests of the status port: those that change something or fail. Monitoring asks all day."""

    lines: Callable[[], bool]

    def begin(self) -> None:
        """Do nothing: monitoring is not what the daemon is for."""

    def end(self, visit: Visit) -> None:
        """Write a line where there is something to tell."""
        if self.lines() and (visit.status >= _WELL or visit.method not in {"GET", "HEAD"}):
            write_line(visit)


Visits = PublicVisits | PrivateVisits
