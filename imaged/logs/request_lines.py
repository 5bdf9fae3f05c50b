"""Access log: one line for each request, as text on a terminal, else as a JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imaged.core.errors import ImagedError
from imaged.core.tracing import Trace
from imaged.logs.lines import Stream

LOGGER = "imaged.access"
"""The `logger` of these lines; other lines name the module that wrote them."""

GATHER_S = 0.1
"""How long a line may wait for others, to be written with them."""

GATHERED = 100
"""How many lines are written at once at most: more would hold the reactor for over a millisecond."""

_encode: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class RequestRecord:
    """A request that has ended. `target` is fit for a log; `size_bytes` counts the sent bytes of the body."""

    trace: Trace
    client: str
    method: str
    target: str
    status: int
    size_bytes: int
    elapsed_s: float
    error: ImagedError | None


class AccessLog:
    """Writes a line for each request to `stream`. Reactor thread only.

    Requests are gathered for a moment: the lines of many requests take one system call, and less time each. `clock` is
    the reactor's, `now` returns seconds since the epoch.
    """

    def __init__(self, stream: Stream, clock: Any, now: Callable[[], float]) -> None:
        self._stream = stream
        self._for_people = stream.isatty()
        self._clock = clock
        self._now = now
        self._gathered: list[tuple[RequestRecord, float]] = []
        self._alarm: Any = None
        self._most = GATHERED

    def write(self, record: RequestRecord) -> None:
        """Queue the line of a request that has ended."""
        self._gathered.append((record, self._now()))
        if len(self._gathered) >= self._most:
            self.flush()
        elif self._alarm is None:
            self._alarm = self._clock.callLater(GATHER_S, self.flush)

    def flush(self) -> None:
        """Write the queued lines now."""
        if self._alarm is not None:
            if self._alarm.active():
                self._alarm.cancel()
            self._alarm = None
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._stream.write("".join([self._line(record, ended_s) for record, ended_s in gathered]))

    def end(self) -> None:
        """Write the queued lines now and each further line at once, since the process ends."""
        self._most = 1
        self.flush()

    def _line(self, record: RequestRecord, ended_s: float) -> str:
        if self._for_people:
            moment = datetime.fromtimestamp(ended_s).astimezone()
            return f"{moment:%H:%M:%S} info     {_message(record, 1)} [{record.trace.request_id}]\n"
        return _json(record, datetime.fromtimestamp(ended_s, UTC).isoformat(timespec="milliseconds"))


def _json(record: RequestRecord, time: str) -> str:
    """Return the line of a request. An encoder of whole objects would take twice the time."""
    trace = record.trace
    line = (
        f'{{"time": "{time}", "level": "info", "logger": "{LOGGER}", "request_id": {_encode(trace.request_id)}, '
        f'"client": {_encode(record.client)}, "method": {_encode(record.method)}, "path": {_encode(record.target)}, '
        f'"status": {record.status}, "bytes": {record.size_bytes}, "elapsed_ms": {round(1000 * record.elapsed_s, 3)}'
    )
    if trace.namespace is not None:
        line += f', "namespace": {_encode(trace.namespace)}'
    if trace.output is not None:
        line += f', "output": {_encode(trace.output)}'
    if trace.outcome is not None:
        line += f', "outcome": {_encode(trace.outcome)}'
    if trace.token is not None:
        line += f', "token": {_encode(trace.token)}'
    for name, spent_ms in trace.spans_ms.items():
        line += f', "{name}_ms": {spent_ms}'
    if record.error is not None:
        line += f', "error": {_encode(str(record.error))}'
    return f'{line}, "message": {_encode(_message(record, 3))}}}\n'


def _message(record: RequestRecord, decimals: int) -> str:
    """Return the request in words; its time has so many decimals of a millisecond."""
    outcome = f" {record.trace.outcome}" if record.trace.outcome is not None else ""
    spans = "".join([f" {name} {spent_ms:.1f}" for name, spent_ms in record.trace.spans_ms.items()])
    error = f": {record.error}" if record.error is not None else ""
    elapsed_ms = f"{1000 * record.elapsed_s:.{decimals}f}"
    sent = f"{record.method} {record.target} {record.status} {record.size_bytes} bytes"
    return f"{sent} {elapsed_ms} ms{outcome}{spans}{error}"
