"""Errors of the log reach Sentry, with the content of the log and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sentry_server import KEY, SentryServer
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from imaged.api import RequestFailed
from imaged.core.tracing import Trace
from imaged.hooks.contracts import FlushingSink, MetricsSink
from imaged.hooks.host import OptionsError
from imaged.testing.fakes import make_host
from imaged_sentry import MAXIMUM_WAITING, Reporter, imaged_metrics

MakeReporter = Callable[..., Reporter]
_log = Logger(namespace="imaged.pictures")


@pytest.fixture
def server() -> Iterator[SentryServer]:
    """Return a server that accepts every event."""
    with closing(SentryServer()) as server:
        yield server


@pytest.fixture
def make_reporter() -> Iterator[MakeReporter]:
    """Return a function that makes the reporter of a generation and closes it after the test."""
    kept: list[Any] = []

    def make(dsn: str, **options: Any) -> Reporter:
        host = make_host("sentry", {"dsn": dsn, **options}, state=lambda _: kept)
        reporter = imaged_metrics(host)
        assert isinstance(reporter, Reporter)
        return reporter

    yield make
    for each in kept.copy():
        each.close()


def break_down() -> None:
    """Fail, with a secret in a variable and another in the error that it came from."""
    password = "hunter2"
    try:
        raise OSError(f"https://source.example/?signature={password}")
    except OSError as error:
        raise ValueError("no such picture") from error


def test_a_failure_is_sent_with_its_traceback(server: SentryServer, make_reporter: MakeReporter) -> None:
    """It has the logger, the request, the release and the environment."""
    reporter = make_reporter(server.dsn, environment="test")
    with Trace("request-17", lambda: 0.0).current():
        try:
            break_down()
        except ValueError:
            _log.failure("{path} broke down", path="/p/x.jpg")
    reporter.flush()
    (event,) = server.wait(1)
    assert event["logentry"]["formatted"] == "/p/x.jpg broke down"
    assert (event["level"], event["logger"], event["environment"]) == ("fatal", "imaged.pictures", "test")
    assert event["tags"] == {"request_id": "request-17"}
    assert event["release"].startswith("imaged@")
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["module"], exception["value"]) == (
        "ValueError",
        "builtins",
        "no such picture",
    )
    frame = exception["stacktrace"]["frames"][-1]
    assert (frame["function"], frame["abs_path"]) == ("break_down", __file__)
    assert frame["lineno"] == break_down.__code__.co_firstlineno + 6
    (path, headers, _) = server.requests[0]
    assert path == "/api/1/envelope/"
    assert KEY in headers["X-Sentry-Auth"]


def test_an_event_has_no_more_than_the_log_line(server: SentryServer, make_reporter: MakeReporter) -> None:
    """The event has no variable, no source line, no field, and no cause of the error."""
    reporter = make_reporter(server.dsn)
    try:
        break_down()
    except ValueError:
        _log.failure("broke down", token="hunter2")
    reporter.flush()
    server.wait(1)
    body = server.requests[0][2].decode()
    assert "hunter2" not in body
    for word in ("vars", "context_line", "modules", "user", "request"):
        assert f'"{word}"' not in body


def test_a_failure_that_has_been_cleaned_has_its_traceback_still(
    server: SentryServer, make_reporter: MakeReporter
) -> None:
    """Deferreds remove the variables of a failure, and keep names and lines."""
    reporter = make_reporter(server.dsn)
    try:
        break_down()
    except ValueError:
        failure = Failure()
    failure.cleanFailure()
    _log.failure("a background task failed", failure=failure)
    reporter.flush()
    (event,) = server.wait(1)
    (exception,) = event["exception"]["values"]
    assert exception["stacktrace"]["frames"][-1]["function"].endswith("break_down")


def test_only_errors_are_sent(server: SentryServer, make_reporter: MakeReporter) -> None:
    """A line of level error is sent without a failure, too."""
    reporter = make_reporter(server.dsn)
    _log.info("all is well")
    _log.warn("{path} is odd", path="/p")
    _log.error("the disk of {path} is full", path="/p")
    reporter.flush()
    (event,) = server.wait(1)
    assert (event["level"], event["logentry"]["formatted"]) == ("error", "the disk of /p is full")
    assert "exception" not in event
    assert "tags" not in event


def test_failures_of_sinks_are_not_sent(server: SentryServer, make_reporter: MakeReporter) -> None:
    """The log has a line about a failing sink; sending it would fail and make another."""
    reporter = make_reporter(server.dsn)
    Logger(namespace="imaged.hooks.sink_runner").error("metrics sink {sink} fails", sink="sentry")
    Logger(namespace="imaged.plugin.sentry").error("no")
    _log.error("metrics sink {sink} fails", sink="statsd")
    reporter.flush()
    assert [event["logentry"]["formatted"] for event in server.wait(1)] == ["metrics sink statsd fails"]


def test_two_generations_send_an_error_once(server: SentryServer, make_reporter: MakeReporter) -> None:
    """The newer one reports, and the older one again if the newer is discarded."""
    old, new = make_reporter(server.dsn, environment="old"), make_reporter(server.dsn, environment="new")
    _log.error("first")
    new.flush()
    old.flush()
    new.close()
    _log.error("second")
    old.flush()
    old.close()
    _log.error("third")
    sent = [(event["environment"], event["logentry"]["formatted"]) for event in server.wait(2)]
    assert sent == [("new", "first"), ("old", "second")]
    assert not {old, new}.intersection(globalLogPublisher._observers)


def test_a_reload_that_is_refused_loses_no_error(server: SentryServer, make_reporter: MakeReporter) -> None:
    """The generation that stays sends the queued errors of the discarded one after its own."""
    old = make_reporter(server.dsn, environment="old")
    _log.error("before")
    new = make_reporter(server.dsn, environment="new")
    _log.error("meanwhile")
    new.close()
    _log.error("after")
    old.flush()
    sent = [(event["environment"], event["logentry"]["formatted"]) for event in server.wait(3)]
    assert sent == [("old", "before"), ("old", "meanwhile"), ("old", "after")]


def test_an_older_generation_leaves_its_errors_to_the_newer(server: SentryServer, make_reporter: MakeReporter) -> None:
    """It may have had no time to send them."""
    old = make_reporter(server.dsn, environment="old")
    _log.error("before")
    new = make_reporter(server.dsn, environment="new")
    old.close()
    new.flush()
    (event,) = server.wait(1)
    assert (event["environment"], event["logentry"]["formatted"]) == ("new", "before")


def test_too_many_errors_are_lost_from_the_oldest(server: SentryServer, make_reporter: MakeReporter) -> None:
    """Many errors cost neither memory nor time."""
    reporter = make_reporter(server.dsn)
    for number in range(MAXIMUM_WAITING + 5):
        _log.error("number {number}", number=number)
    assert len(reporter.waiting) == MAXIMUM_WAITING
    assert reporter.waiting[0]["logentry"]["formatted"] == "number 5"
    reporter.waiting.clear()


def test_a_missing_server_only_loses_the_error(make_reporter: MakeReporter, capfd: pytest.CaptureFixture[str]) -> None:
    """The error is lost; nothing is raised or logged."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    reporter = make_reporter(f"http://{KEY}@127.0.0.1:{port}/1")
    _log.error("after the end")
    reporter.flush()
    reporter.close()
    assert capfd.readouterr() == ("", "")


def test_a_rate_of_zero_sends_nothing(server: SentryServer, make_reporter: MakeReporter) -> None:
    """A rate of 0 sends nothing."""
    silent, loud = make_reporter(server.dsn, sample_rate=0.0), make_reporter(server.dsn)
    loud.close()
    _log.error("quiet")
    silent.flush()
    assert server.events == []


def test_it_is_a_sink_that_is_flushed(make_reporter: MakeReporter) -> None:
    """It counts nothing."""
    reporter = make_reporter(f"https://{KEY}@sentry.example/1")
    assert isinstance(reporter, MetricsSink)
    assert isinstance(reporter, FlushingSink)
    reporter.record(RequestFailed("p", "jpg", 500))
    reporter.flush()
    assert not reporter.waiting


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "sentry.example",
        "https://sentry.example/1",
        f"https://{KEY}@sentry.example/",
        f"https://{KEY}@sentry.example/pictures",
        f"ftp://{KEY}@sentry.example/1",
        f"https://{KEY}@[/1",
    ],
)
def test_a_malformed_dsn_is_a_fault(dsn: str) -> None:
    """The message shows the form of a DSN, and not the value."""
    with pytest.raises(OptionsError) as caught:
        imaged_metrics(make_host("sentry", {"dsn": dsn}))
    (error,) = caught.value.error.errors(include_input=False)
    assert "https://KEY@sentry.example/1" in error["msg"]
    assert KEY not in str(error)


def test_the_dsn_is_in_no_repr(make_reporter: MakeReporter) -> None:
    """The repr of the options hides it."""
    reporter = make_reporter(f"https://{KEY}@sentry.example/1")
    assert KEY not in repr(reporter._options) + str(vars(reporter))


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """Starts and reloads do not wait for the import."""
    code = "import sys, imaged_sentry; sys.exit('sentry_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
