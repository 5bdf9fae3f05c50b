"""The line of a request. There may be thousands a second, so it is put together here and not by a general formatter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from imaged.daemon.log import Stream
from imaged.web.visits import Visit

LOGGER = "imaged.access"
"""What the lines say that their logger is: the others are named after the module that wrote them."""

GATHER_S = 0.1
"""How long a line may wait for others to be written with."""

GATHERED = 1000
"""How many lines are written at once, at most."""


class AccessLog:
    """Writes lines to `stream`, for people if they look at it, else as JSON. Reactor thread only.

    Lines are gathered for a moment: a write for each would cost more than the line. `clock` is the reactor's, `now`
    returns seconds since the epoch.
    """

    def __init__(self, stream: Stream, clock: Any, now: Callable[[], float]) -> None:
        self._stream = stream
        self._for_people = stream.isatty()
        self._clock = clock
        self._now = now
        self._second, self._time = -1, ""
        self._lines: list[str] = []
        self._alarm: Any = None
        self._most = GATHERED

    def write(self, visit: Visit) -> None:
        """Write the line of a request that has ended, in a moment."""
        self._lines.append(self._line(visit))
        if len(self._lines) >= self._most:
            self.flush()
        elif self._alarm is None:
            self._alarm = self._clock.callLater(GATHER_S, self.flush)

    def flush(self) -> None:
        """Write what has been gathered, now."""
        if self._alarm is not None:
            if self._alarm.active():
                self._alarm.cancel()
            self._alarm = None
        if self._lines:
            lines, self._lines = self._lines, []
            self._stream.write("".join(lines))
            self._stream.flush()

    def end(self) -> None:
        """Write what has been gathered, and each further line at once: soon there is no later."""
        self._most = 1
        self.flush()

    def _line(self, visit: Visit) -> str:
        now_s = self._now()
        if (second := int(now_s)) != self._second:
            self._second, self._time = second, self._written(second)
        if self._for_people:
            return f"{self._time} info     {_message(visit)} [{visit.trace.request_id}]\n"
        return _for_programs(visit, f"{self._time}.{int(1000 * (now_s - second)):03}+00:00")

    def _written(self, second: int) -> str:
        if self._for_people:
            return f"{datetime.fromtimestamp(second).astimezone():%H:%M:%S}"
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def _for_programs(visit: Visit, time: str) -> str:
    trace, text = visit.trace, encode_basestring
    begin = (
        f'{{"time": "{time}", "level": "info", "logger": "{LOGGER}", "request_id": "{trace.request_id}", '
        f'"client": {text(visit.client)}, "method": {text(visit.method)}, "path": {text(visit.target)}, '
        f'"status": {visit.status}, "bytes": {visit.size_bytes}, "elapsed_ms": {1000 * visit.elapsed_s:.3f}'
    )
    fields = [begin]
    if trace.namespace is not None:
        fields.append(f'"namespace": "{trace.namespace}"')
    if trace.output is not None:
        fields.append(f'"output": {text(trace.output)}')
    if trace.outcome is not None:
        fields.append(f'"outcome": "{trace.outcome}"')
    fields.extend(f'"{name}_ms": {spent_ms}' for name, spent_ms in trace.spans_ms.items())
    if visit.error is not None:
        fields.append(f'"error": {text(str(visit.error))}')
    fields.append(f'"message": {text(_message(visit))}}}\n')
    return ", ".join(fields)


def _message(visit: Visit) -> str:
    trace = visit.trace
    line = f"{visit.method} {visit.target} {visit.status} {visit.size_bytes} bytes {1000 * visit.elapsed_s:.1f} ms"
    if trace.outcome is not None:
        line = f"{line} {trace.outcome}"
    for name, spent_ms in trace.spans_ms.items():
        line = f"{line} {name} {spent_ms:.1f}"
    return line if visit.error is None else f"{line}: {visit.error}"
