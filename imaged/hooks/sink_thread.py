"""What is called on a sink's own thread: whatever a sink raises there, and however that reads, comes back as a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from inspect import isawaitable
from time import monotonic
from typing import Any

from twisted.python.reflect import safe_str

from imaged.core.events import Event
from imaged.hooks.boundary import kind_of
from imaged.hooks.contracts import Exposing, Flushing, MetricsSink
from imaged.hooks.running_calls import under_way

FAULT_CHARACTERS = 300
"""How much of a fault is kept: it stands on a page and in a line of the log."""

HANGS_AFTER_S = 15.0
"""How long one call may take before the sink is said to hang: what it sends to may be slow by so much."""

_CONTENT_TYPE = re.compile(r"[ -~]*")


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


def tell(name: str, sink: MetricsSink, events: Sequence[Event], *, flush: bool) -> Outcome:
    """Tell the sink of each event, whatever it raises at those before, and have it flush if wanted.

    `name` is the plugin's. What `record` returns is of no interest, but for what somebody would have to await: that is
    work which nobody does.
    """
    failed, fault, recovered = 0, "", False
    for event in events:
        try:
            with _calling(name, "record"):
                returned: Any = sink.record(event)  # type: ignore[func-returns-value]  # whatever its types say
            if isawaitable(returned):
                raise TypeError(f"record returned a {kind_of(returned)}, which nobody awaits")
        except BaseException as error:  # even what would end the program elsewhere
            failed, fault, recovered = failed + 1, describe(error), False
        else:
            recovered = True
    if not flush or not isinstance(sink, Flushing):
        return Outcome(failed, fault, recovered)
    try:
        with _calling(name, "flush"):
            sent: Any = sink.flush()
        if sent is not None and not isinstance(sent, bool):
            raise TypeError(f"flush returned {kind_of(sent)}, not True, False or None")
    except BaseException as error:  # as above
        return Outcome(failed, fault, recovered, flushed=False, flush_fault=describe(error))
    return Outcome(failed, fault, recovered, flushed=None if sent is False else True)


def show(name: str, sink: Exposing, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:
    """Return what the sink shows. Raises ShowingFailedError, whatever the sink raises or returns."""
    try:
        with _calling(name, "expose"):
            shown: Any = sink.expose(snapshot, accept)
        match shown:
            case (str() as content_type, bytes() as body) if _CONTENT_TYPE.fullmatch(content_type):
                return content_type, body
            case (str(), bytes()):
                raise ValueError("its content type cannot stand in a header")
    except BaseException as error:  # as above
        raise ShowingFailedError(type(error).__name__, describe(error)) from None
    kind = kind_of(shown)
    raise ShowingFailedError(kind, f"{kind}: what it shows is no (str, bytes)")


def _calling(name: str, method: str) -> AbstractContextManager[None]:
    return under_way(f"metrics sink {name}: {method}", monotonic() + HANGS_AFTER_S)
