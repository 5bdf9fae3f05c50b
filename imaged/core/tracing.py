"""What one request is about and what its time is spent on, wherever its work goes on.

A trace travels in a context variable: coroutines keep the context that they were begun in, and a thread gets the one of
whoever sent work to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

WAIT, DOWNLOAD, DECODE, RESIZE, ENCODE, SAVE, UPLOAD = SPANS = (
    "wait",
    "download",
    "decode",
    "resize",
    "encode",
    "save",
    "upload",
)
"""What time may be spent on, in the order in which it comes."""

HIT, RENDERED, COALESCED = "hit", "rendered", "joined"
"""Where an output came from: it was there, it was rendered for this request, or for another that had asked already."""


class Trace:
    """One request: what is known of it when it is answered. `seconds` is a clock that never goes back, on any thread.

    `route` is what kind of path it asks for, as in RequestAnswered; `outcome` is HIT, RENDERED or JOINED. What a path
    does not hold is None.
    """

    def __init__(self, request_id: str, seconds: Callable[[], float]) -> None:
        self.request_id = request_id
        self.route = "other"
        self.namespace: str | None = None
        self.output: str | None = None
        self.extension: str | None = None
        self.outcome: str | None = None
        self._seconds = seconds
        self._spans_s: dict[str, float] = {}

    @property
    def spans_ms(self) -> Mapping[str, float]:
        """The milliseconds of each span that there was, in the order of SPANS."""
        spans_s = self._spans_s  # nothing for a stored output, which most requests are about
        return {name: round(1000 * spans_s[name], 3) for name in SPANS if name in spans_s} if spans_s else {}

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Count the time of the block as time spent on `name`, one of SPANS, with what was spent on it before."""
        began_s = self._seconds()
        try:
            yield
        finally:
            self._spans_s[name] = self._spans_s.get(name, 0.0) + self._seconds() - began_s

    def add_spans(self, spans_s: Mapping[str, float]) -> None:
        """Count seconds that another process or thread has measured, by the name of their span."""
        for name, seconds in spans_s.items():
            self._spans_s[name] = self._spans_s.get(name, 0.0) + seconds

    def take_spans(self) -> Mapping[str, float]:
        """Return the seconds of each span since the last call."""
        spans_s, self._spans_s = self._spans_s, {}
        return spans_s

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make it the trace of what the block does and begins."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Trace | None] = ContextVar("imaged.trace", default=None)


def current_trace() -> Trace | None:
    """Return the request that the caller works for, on this thread and in this context, or None."""
    return _current.get()


@contextmanager
def span(name: str) -> Iterator[None]:
    """Count the time of the block for the request that it works for, if there is one. `name` is one of SPANS."""
    trace = _current.get()
    if trace is None:
        yield
    else:
        with trace.span(name):
            yield


def add_spans(spans_s: Mapping[str, float]) -> None:
    """Count seconds that a worker has measured for the request that it worked for, if there is one."""
    if (trace := _current.get()) is not None:
        trace.add_spans(spans_s)
