"""What is called on a sink's own thread: whatever a sink raises there, and however that reads, comes back as a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.python.reflect import safe_str

from imaged.core.events import Event
from imaged.hooks.contracts import Exposing, Flushing, MetricsSink

FAULT_CHARACTERS = 300
"""How much of a fault is kept: it stands on a page and in a line of the log."""


class ShowingFailedError(Exception):
    """A sink could not show its figures; the text is the fault, `name` the class of what it raised."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(fault)
        self.name = name


@dataclass(frozen=True)
class Outcome:
    """How a sink took what it was told.

    It `failed` at so many events, the last time with `fault`; `recovered` when it took the last event. `flushed` says
    whether a flush has worked, None where none was asked for or there was nothing to send, else see `flush_fault`.
    """

    failed: int = 0
    fault: str = ""
    recovered: bool = False
    flushed: bool | None = None
    flush_fault: str = ""


def describe(error: BaseException) -> str:
    """Return an error in one short line. Whatever its `__str__` does, this does not raise."""
    text = " ".join(f"{type(error).__name__}: {safe_str(error)}".split())
    return text[:FAULT_CHARACTERS].encode("utf-8", "backslashreplace").decode()


def tell(sink: MetricsSink, events: Sequence[Event], *, flush: bool) -> Outcome:
    """Tell the sink of each event, whatever it raises at those before, and have it flush if wanted."""
    failed, fault, recovered = 0, "", False
    for event in events:
        try:
            sink.record(event)
        except BaseException as error:  # even what would end the program elsewhere
            failed, fault, recovered = failed + 1, describe(error), False
        else:
            recovered = True
    if not flush or not isinstance(sink, Flushing):
        return Outcome(failed, fault, recovered)
    try:
        sent = sink.flush()
    except BaseException as error:  # as above
        return Outcome(failed, fault, recovered, flushed=False, flush_fault=describe(error))
    return Outcome(failed, fault, recovered, flushed=None if sent is False else True)


def show(sink: Exposing, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:
    """Return what the sink shows. Raises ShowingFailedError, whatever the sink raises or returns."""
    try:
        shown: Any = sink.expose(snapshot, accept)
        match shown:
            case (str() as content_type, bytes() as body):
                return content_type, body
    except BaseException as error:  # as above
        raise ShowingFailedError(type(error).__name__, describe(error)) from None
    kind = type(shown).__name__
    raise ShowingFailedError(kind, f"{kind}: what it shows is no (str, bytes)")
