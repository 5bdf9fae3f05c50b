"""The line of a request, for people and for programs."""

from __future__ import annotations

import io
import json
import re

import pytest
from twisted.internet.task import Clock

from imaged.core.errors import ForbiddenError, ImagedError
from imaged.core.tracing import DECODE, WAIT, Trace
from imaged.logs.request_lines import GATHER_S, GATHERED, AccessLog, RequestRecord


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def record(
    target: str = "/p/f84/x300.jpg", error: ImagedError | None = None, *, rendered: bool = True
) -> RequestRecord:
    """Return a request that has ended."""
    clock = Clock()
    trace = Trace("abc", clock.seconds)
    if rendered:
        trace.namespace, trace.output, trace.outcome = "p", "x300.jpg", "rendered"
        for name in (WAIT, DECODE):
            with trace.span(name):
                clock.advance(0.25)
    return RequestRecord(trace, "127.0.0.1", "GET", target, 403 if error else 200, 10, 0.5125, error)


def written(stream: io.StringIO, *request_log: RequestRecord) -> str:
    """Return the lines of requests that ended at one moment."""
    log = AccessLog(stream, Clock(), lambda: 1_764_000_000.0625)
    for each in request_log:
        log.write(each)
    log.flush()
    return stream.getvalue()


def test_programs_get_json() -> None:
    """Each figure has its key, and the message has them in words."""
    assert json.loads(written(io.StringIO(), record())) == {
        "time": "2025-11-24T16:00:00.062+00:00",
        "level": "info",
        "logger": "imaged.access",
        "request_id": "abc",
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/p/f84/x300.jpg",
        "status": 200,
        "bytes": 10,
        "elapsed_ms": 512.5,
        "namespace": "p",
        "output": "x300.jpg",
        "outcome": "rendered",
        "wait_ms": 250.0,
        "decode_ms": 250.0,
        "message": "GET /p/f84/x300.jpg 200 10 bytes 512.500 ms rendered wait 250.0 decode 250.0",
    }


def test_people_get_a_line() -> None:
    """It has the time of day, the request and its id."""
    line = written(Terminal(), record(error=ForbiddenError("not from here"), rendered=False))
    assert re.fullmatch(
        r"\d\d:00:00 info     GET /p/f84/x300\.jpg 403 10 bytes 512\.5 ms: not from here \[abc\]\n", line
    )


@pytest.mark.parametrize("text", ['a"b', "back\\slash", "new\nline", "\x00\x1b[31m", "é\u2028", "</script>"])
def test_any_text_of_a_path_or_an_error_is_valid_json(text: str) -> None:
    """The line is one object, with the same text."""
    line = written(io.StringIO(), record(text, ForbiddenError(text)))
    assert line.count("\n") == 1
    assert (json.loads(line)["path"], json.loads(line)["error"]) == (text, text)


def test_lines_are_gathered_for_a_moment() -> None:
    """They are written in order."""
    stream, clock = io.StringIO(), Clock()
    log = AccessLog(stream, clock, lambda: 0.0)
    for target in ("/1", "/2"):
        log.write(record(target))
    assert stream.getvalue() == ""
    clock.advance(GATHER_S)
    assert [json.loads(line)["path"] for line in stream.getvalue().splitlines()] == ["/1", "/2"]
    log.write(record("/3"))
    clock.advance(GATHER_S)
    assert stream.getvalue().count("\n") == 3
    assert clock.getDelayedCalls() == []


def test_many_lines_are_written_at_once() -> None:
    """The queue is bounded."""
    stream, clock = io.StringIO(), Clock()
    log = AccessLog(stream, clock, lambda: 0.0)
    for _ in range(GATHERED):
        log.write(record())
    assert stream.getvalue().count("\n") == GATHERED
    assert clock.getDelayedCalls() == []
