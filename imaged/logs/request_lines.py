"""The line of a request. There may be thousands a second, so it is put together here and not by a general formatter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring as quote
from typing import Any

from imaged.logs.lines import Stream
from imaged.logs.request_record import RequestRecord

LOGGER = "imaged.access"
"""What the lines say that their logger is: the others are named after the module that wrote them."""

GATHER_S = 0.1
"""How long a line may wait for others to be written with."""

GATHERED = 500
"""How many lines are written at once, at most: making more would hold up the reactor for over a millisecond."""


class AccessLog:
    """Writes lines to `stream`, for people if they look at it, else as JSON. Reactor thread only.

    Requests are gathered for a moment, and their lines made and written together, which takes a third of the time that
    it takes between other work. `clock` is the reactor's, `now` returns seconds since the epoch.
    """

    def __init__(self, stream: Stream, clock: Any, now: Callable[[], float]) -> None:
        self._stream = stream
        self._for_people = stream.isatty()
        self._clock = clock
        self._now = now
        self._second, self._time = -1, ""
        self._gathered: list[tuple[RequestRecord, float]] = []
        self._alarm: Any = None
        self._most = GATHERED

    def write(self, record: RequestRecord) -> None:
        """Write the line of a request that has ended, in a moment."""
        self._gathered.append((record, self._now()))
        if len(self._gathered) >= self._most:
            self.flush()
        elif self._alarm is None:
            self._alarm = self._clock.callLater(GATHER_S, self.flush)

    def flush(self) -> None:
        """Write what has been gathered, now."""
        if self._alarm is not None:
            if self._alarm.active():
                self._alarm.cancel()
            self._alarm = None
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._stream.write("".join([self._line(record, ended_s) for record, ended_s in gathered]))
            self._stream.flush()

    def end(self) -> None:
        """Write what has been gathered, and each further line at once: soon there is no later."""
        self._most = 1
        self.flush()

    def _line(self, record: RequestRecord, ended_s: float) -> str:
        if (second := int(ended_s)) != self._second:
            self._second, self._time = second, self._written(second)
        if self._for_people:
            return _for_person(record, self._time)
        return _for_programs(record, f"{self._time}.{int(1000 * (ended_s - second)):03}+00:00")

    def _written(self, second: int) -> str:
        if self._for_people:
            return f"{datetime.fromtimestamp(second).astimezone():%H:%M:%S}"
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _for_programs(record: RequestRecord, time: str) -> str:
    """Return the line as JSON. What may hold anything is quoted; the rest is made of letters and digits by then."""
    trace, elapsed_ms = record.trace, f"{1000 * record.elapsed_s:.3f}"
    target, method = quote(record.target)[1:-1], quote(record.method)[1:-1]
    about, words = "", ""
    if trace.namespace is not None:
        about = f'"namespace": "{trace.namespace}", '
    if trace.output is not None:
        about = f'{about}"output": {quote(trace.output)}, '
    if trace.outcome is not None:
        about, words = f'{about}"outcome": "{trace.outcome}", ', f" {trace.outcome}"
    for name, spent_ms in trace.spans_ms.items():
        about, words = f'{about}"{name}_ms": {spent_ms}, ', f"{words} {name} {spent_ms:.1f}"
    if record.error is not None:
        error = quote(str(record.error))
        about, words = f'{about}"error": {error}, ', f"{words}: {error[1:-1]}"
    return (
        f'{{"time": "{time}", "level": "info", "logger": "{LOGGER}", "request_id": "{trace.request_id}", '
        f'"client": "{record.client}", "method": "{method}", "path": "{target}", "status": {record.status}, '
        f'"bytes": {record.size_bytes}, "elapsed_ms": {elapsed_ms}, {about}'
        f'"message": "{method} {target} {record.status} {record.size_bytes} bytes {elapsed_ms} ms{words}"}}\n'
    )


def _for_person(record: RequestRecord, time: str) -> str:
    trace, words = record.trace, ""
    if trace.outcome is not None:
        words = f" {trace.outcome}"
    for name, spent_ms in trace.spans_ms.items():
        words = f"{words} {name} {spent_ms:.1f}"
    if record.error is not None:
        words = f"{words}: {record.error}"
    elapsed_ms = f"{1000 * record.elapsed_s:.1f}"
    return (
        f"{time} info     {record.method} {record.target} {record.status} {record.size_bytes} bytes {elapsed_ms} ms"
        f"{words} [{trace.request_id}]\n"
    )
