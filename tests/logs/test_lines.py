"""Log lines: for people on a terminal, JSON otherwise."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from service_case import ServiceTestCase, until
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.log import LogPublisher as OldPublisher

from imaged.logs.lines import observer


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def logger(stream: io.StringIO, namespace: str = "imaged.test") -> Logger:
    """Return a logger that writes only to `stream`."""
    publisher: Any = LogPublisher(observer(stream))
    return Logger(namespace=namespace, observer=publisher)


def lines(stream: io.StringIO) -> list[Any]:
    """Return the written lines."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_programs_get_json() -> None:
    """Each line is one object, with the event's plain fields and its text."""
    stream = io.StringIO()
    logger(stream).info("{what} took {elapsed_s:.1f} s", what="a render\n", elapsed_s=1.25, job=object())
    (line,) = lines(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "imaged.test",
        "message": "a render\n took 1.2 s",
        "what": "a render\n",
        "elapsed_s": 1.25,
    }


def test_people_get_text() -> None:
    """The time of day, the level and the message."""
    stream = Terminal()
    logger(stream).warn("{what} is low", what="paint")
    time, level, message = stream.getvalue().rstrip("\n").split(maxsplit=2)
    assert len(time) == len("12:34:56")
    assert (level, message) == ("warn", "paint is low")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_failure_has_its_traceback(stream: io.StringIO) -> None:
    """It is in the message, as text and as JSON."""
    log = logger(stream)
    try:
        raise ValueError("no paint")
    except ValueError:
        log.failure("it broke down")
    assert "it broke down" in stream.getvalue()
    assert "ValueError: no paint" in stream.getvalue()
    assert "Traceback" in stream.getvalue()


def test_debug_lines_and_information_from_twisted_are_left_out() -> None:
    """Twisted's warnings are written."""
    stream = io.StringIO()
    logger(stream).debug("detail")
    for namespace in ("twisted.web", "log_legacy"):
        logger(stream, namespace).info("starting")
        logger(stream, namespace).warn("oh")
    assert [line["message"] for line in lines(stream)] == ["oh", "oh"]


def test_fields_of_an_event_do_not_replace_the_keys_of_the_line() -> None:
    """Events of Twisted's older logging have another kind of time and message."""
    stream = io.StringIO()
    old = OldPublisher(publishPublisher=LogPublisher(observer(stream)))
    old.msg("from the old days", logLevel=40, log_level=LogLevel.error)
    (line,) = lines(stream)
    assert line["message"] == "from the old days"
    assert line["time"].startswith("20")


class TestAccessLog(ServiceTestCase):
    """One canonical line for a request."""

    async def test_each_request_has_one_line(self) -> None:
        """It has the request and its answer; what the client sent is shortened and escaped."""
        await self.serve()
        await self.post("/p?outputs=")
        await self.get("/p/%1B" + "a" * 1000)
        await until(lambda: len(lines(self.log)) == 2)
        access = lines(self.log)
        assert [(line["method"], line["status"]) for line in access] == [("POST", 200), ("GET", 404)]
        assert access[0]["path"] == "/p?outputs="
        assert access[0]["elapsed_ms"] > 0
        assert access[0]["bytes"] > 100
        assert len(access[1]["path"]) == 400
