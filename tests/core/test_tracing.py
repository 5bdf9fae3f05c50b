"""A trace adds up the spans of a request, across coroutines and threads."""

from __future__ import annotations

import threading
from contextvars import copy_context

import pytest
from twisted.internet.task import Clock

from imaged.core.tracing import DECODE, SPANS, WAIT, Trace, current_trace, span


def test_spans_add_up_in_their_order() -> None:
    """The times of one span add up, and spans come in the order of the work."""
    clock = Clock()
    trace = Trace("a", clock.seconds)
    for name, takes_s in ((DECODE, 0.25), (WAIT, 1.0), (DECODE, 0.5)):
        with trace.span(name):
            clock.advance(takes_s)
    assert list(trace.spans_ms.items()) == [(WAIT, 1000.0), (DECODE, 750.0)]
    assert list(SPANS).index(WAIT) < list(SPANS).index(DECODE)


def test_what_fails_took_time_too() -> None:
    """A span ends with its block, also when the block raises."""
    clock = Clock()
    trace = Trace("a", clock.seconds)

    def work() -> None:
        clock.advance(2)
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"), trace.span(WAIT):
        work()
    assert trace.spans_ms == {WAIT: 2000.0}


def test_work_without_a_request_has_no_trace() -> None:
    """Queued jobs have no request."""
    assert current_trace() is None
    with span(WAIT):
        assert current_trace() is None


def test_the_current_trace_is_that_of_the_block() -> None:
    """Blocks nest; after the inner one the outer trace is current again."""
    outer, inner = Trace("outer", Clock().seconds), Trace("inner", Clock().seconds)
    with outer.current():
        with inner.current():
            assert current_trace() is inner
        assert current_trace() is outer
    assert current_trace() is None


def test_a_thread_that_is_given_the_context_counts_for_its_request() -> None:
    """A thread without the context has no trace."""
    clock, seen = Clock(), []
    trace = Trace("a", clock.seconds)

    def work() -> None:
        seen.append(current_trace())
        with span(DECODE):
            clock.advance(1)

    with trace.current():
        for target, args in ((copy_context().run, (work,)), (work, ())):
            thread = threading.Thread(target=target, args=args)
            thread.start()
            thread.join()
    assert seen == [trace, None]
    assert trace.spans_ms == {DECODE: 1000.0}
