"""Traces: what a request asks for, and how its time is spent, across coroutines and threads.

A trace is in a context variable. A coroutine keeps the context in which it began, and a thread gets that of the caller
that submitted the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

SPANS = ("wait", "download", "decode", "resize", "encode", "save", "upload")
"""The names of spans, in the order of the work."""

WAIT, DOWNLOAD, DECODE, RESIZE, ENCODE, SAVE, UPLOAD = SPANS

HIT, RENDERED, COALESCED = "hit", "rendered", "coalesced"
"""Where an output came from: the store, its own render, or a render that another request began."""


class Trace:
    """What is known about one request. `seconds` is a monotonic clock that any thread may call.

    `route` is the kind of its path, as in RequestAnswered; `outcome` is HIT, RENDERED or COALESCED. `cache_tag` is the
    tag of its image (`ImageId.cache_tag`), `token` the name of the client's token. What the request does not have is
    None.
    """

    def __init__(self, request_id: str, seconds: Callable[[], float]) -> None:
        self.request_id = request_id
        self.route = "other"
        self.namespace: str | None = None
        self.output: str | None = None
        self.extension: str | None = None
        self.cache_tag: str | None = None
        self.outcome: str | None = None
        self.token: str | None = None
        self._seconds = seconds
        self._spans_s: dict[str, float] = {}

    @property
    def spans_ms(self) -> Mapping[str, float]:
        """The milliseconds of each span of this request, in the order of SPANS."""
        spans_s = self._spans_s  # empty for a stored output, the most common request
        return {name: round(1000 * spans_s[name], 3) for name in SPANS if name in spans_s} if spans_s else {}

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Add the time of the block to the span `name`, one of SPANS."""
        began_s = self._seconds()
        try:
            yield
        finally:
            self._spans_s[name] = self._spans_s.get(name, 0.0) + self._seconds() - began_s

    def add_spans(self, spans_s: Mapping[str, float]) -> None:
        """Add seconds that another process or thread measured, by the name of their span."""
        for name, seconds in spans_s.items():
            self._spans_s[name] = self._spans_s.get(name, 0.0) + seconds

    def take_spans(self) -> Mapping[str, float]:
        """Return the seconds of each span since the last call."""
        spans_s, self._spans_s = self._spans_s, {}
        return spans_s

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this the trace of the block and of all work that it begins."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Trace | None] = ContextVar("imaged.trace", default=None)


def current_trace() -> Trace | None:
    """Return the trace of the request that the caller works for, or None."""
    return _current.get()


def request_id() -> str | None:
    """Return the id of the request that the caller works for, or None."""
    trace = _current.get()
    return None if trace is None else trace.request_id


def span(name: str) -> AbstractContextManager[None]:
    """Add the time of the block to a span of the current trace, if there is one. `name` is one of SPANS."""
    trace = _current.get()
    return nullcontext() if trace is None else trace.span(name)


def add_spans(spans_s: Mapping[str, float]) -> None:
    """Add seconds that a worker measured to the current trace, if there is one."""
    if (trace := _current.get()) is not None:
        trace.add_spans(spans_s)
