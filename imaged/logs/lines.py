"""Log lines: for people on a terminal, one JSON object a line otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.logger import (
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)

_PLAIN = (str, int, float, bool, type(None))


class Stream(Protocol):
    """What the log writes to."""

    def isatty(self) -> bool:
        """Say whether it is a terminal."""

    def write(self, text: str, /) -> object:
        """Write text, at once."""


def observer(stream: Stream, *, for_people: bool | None = None) -> Any:
    """Return an observer that writes events of level info and above to `stream`.

    It writes text for a terminal and JSON for anything else, unless `for_people` says otherwise.
    """
    for_people = stream.isatty() if for_people is None else for_people
    write: Any = _people(stream) if for_people else _programs(stream)
    levels: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
    # Twisted logs each factory and port that it starts and stops; the daemon logs its own.
    levels.setLogLevelForNamespace("twisted", LogLevel.warn)
    levels.setLogLevelForNamespace("log_legacy", LogLevel.warn)
    return FilteringLogObserver(write, [levels])


def _people(stream: Stream) -> Callable[[LogEvent], None]:
    def write(event: LogEvent) -> None:
        moment = datetime.fromtimestamp(event["log_time"]).astimezone()
        request = f" [{event['request_id']}]" if "request_id" in event else ""
        stream.write(f"{moment:%H:%M:%S} {event['log_level'].name:<8} {_message(event)}{request}\n")

    return write


def _programs(stream: Stream) -> Callable[[LogEvent], None]:
    def write(event: LogEvent) -> None:
        own = {key: value for key, value in event.items() if not key.startswith("log_") and isinstance(value, _PLAIN)}
        line = own | {  # events of Twisted's older logging have their own time and message
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": event["log_level"].name,
            "logger": event["log_namespace"],
            "message": _message(event),
        }
        stream.write(json.dumps(line, default=str) + "\n")

    return write


def _message(event: LogEvent) -> str:
    """Return the event's text, with the traceback of its failure if it has one."""
    text = formatEvent(event)
    failure = event.get("log_failure")
    return f"{text}\n{failure.getTraceback()}" if failure else text
