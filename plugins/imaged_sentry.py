"""Sends errors of the log to Sentry, or to a server with its protocol, with traceback, logger and request id.

Operators name it under `metrics`, although it counts nothing, because a sink has its own thread, which may wait for a
server. It sends what is in the log alone: no variables, no headers, no cause of an exception. The SDK is configured to
patch nothing in the process. It is imported on the sink's thread, because the import would hold up the reactor.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from imaged.api import VERSION, Event, Host, MetricsSink, UnfitError, current_trace, hookimpl, how_to_install

if find_spec("sentry_sdk") is None:
    raise ImportError(f"sentry_sdk is missing: {how_to_install('sentry', 'python3-sentry-sdk')}")

LEVELS = {LogLevel.error: "error", LogLevel.critical: "fatal"}  # Sentry's names of the levels that are sent

MAXIMUM_WAITING = 100  # how many errors wait; if more come within a second, the oldest are lost
FLUSH_TIMEOUT_S = 1.0  # how long the sink's thread waits for the server


class Options(BaseModel):
    """The section `plugins.sentry` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    dsn: SecretStr = Field(
        description="Where errors go, as Sentry shows it for each project: https://KEY@HOST/PROJECT."
    )
    environment: str = Field(
        default="production", min_length=1, description="The environment that errors are filed under."
    )
    sample_rate: float = Field(default=1.0, ge=0, le=1, description="The share of errors that is sent, 0 to 1.")

    @field_validator("dsn")
    @classmethod
    def _is_a_dsn(cls, dsn: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(dsn.get_secret_value())
            sound = parts.scheme in {"http", "https"} and parts.hostname and parts.username and parts.port != 0
        except ValueError:
            sound = False
        if not sound or not parts.path.rpartition("/")[2].isdecimal():
            raise UnfitError("not a DSN, such as https://KEY@sentry.example/1: Sentry shows it for each project")
        return dsn


class Reporter:
    """Sends errors of the log, if it is the last of `active`, the reporters of all living generations."""

    flush_every_s = 1.0

    def __init__(self, name: str, options: Options, active: list[Reporter]) -> None:
        self._name = name
        self._options = options
        self._active = active
        self.waiting: deque[dict[str, Any]] = deque(maxlen=MAXIMUM_WAITING)
        self._client: Any = None
        active.append(self)
        globalLogPublisher.addObserver(self)  # type: ignore[arg-type]  # anything that can be called will do

    def __call__(self, event: LogEvent) -> None:
        """Queue an error of the log, on the thread that logs it; not one about this plugin, which would never end."""
        ours = event.get("sink") == self._name or event.get("log_namespace") == f"imaged.plugin.{self._name}"
        if event.get("log_level") in LEVELS and not ours and self._active[-1:] == [self]:
            self.waiting.append(described(event))

    def record(self, event: Event) -> None:
        """Do nothing: errors come through the log."""

    def flush(self) -> None:
        """Send the queued errors, and wait for the server."""
        if not self.waiting:
            return
        self._client = self._client or make_client(self._options)
        for event in self._take():
            self._client.capture_event(event)
        self._client.flush(timeout=FLUSH_TIMEOUT_S)

    def close(self) -> None:
        """Stop observing the log; the reporter that is active now sends the queued errors."""
        globalLogPublisher.removeObserver(self)  # type: ignore[arg-type]  # as above
        self._active.remove(self)
        for successor in self._active[-1:]:
            successor.waiting.extend(self._take())
        if self._client is not None:  # closing may wait for a lock
            Thread(target=self._client.close, kwargs={"timeout": 0.0}, daemon=True).start()

    def _take(self) -> Iterator[dict[str, Any]]:
        with suppress(IndexError):  # empty: `flush` and `close` may run at the same time
            while True:
                yield self.waiting.popleft()


def make_client(options: Options) -> Any:
    """Return a client of the SDK that patches nothing, collects nothing by itself and is not global."""
    from sentry_sdk import Client  # noqa: PLC0415  # see above

    return Client(
        dsn=options.dsn.get_secret_value(),
        environment=options.environment,
        sample_rate=options.sample_rate,
        release=f"imaged@{VERSION}",
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        send_client_reports=False,
        include_local_variables=False,
        spotlight=False,  # personal data is off by default, and newer versions warn about the option
        debug=False,
    )


def described(event: LogEvent) -> dict[str, Any]:
    """Return the payload of Sentry for a log event: https://develop.sentry.dev/sdk/data-model/event-payloads/."""
    told: dict[str, Any] = {"level": LEVELS[event["log_level"]], "logger": event.get("log_namespace", "")}
    told |= {"timestamp": datetime.fromtimestamp(event["log_time"], UTC), "logentry": {"formatted": formatEvent(event)}}
    if (trace := current_trace()) is not None and trace.request_id:
        told["tags"] = {"request_id": trace.request_id}
    if isinstance(failure := event.get("log_failure"), Failure):
        kind: Any = failure.type
        exception = {"type": kind.__name__, "module": kind.__module__, "value": failure.getErrorMessage()}
        told["exception"] = {"values": [exception | {"stacktrace": {"frames": list(_frames(failure))}}]}
    return told


def _frames(failure: Failure) -> Iterator[dict[str, Any]]:
    for frame, line in traceback.walk_tb(failure.getTracebackObject()):
        code, module = frame.f_code, str(frame.f_globals.get("__name__", ""))
        name, ours = getattr(code, "co_qualname", code.co_name), module.startswith("imaged")
        where = {"abs_path": code.co_filename, "filename": code.co_filename, "lineno": line}
        yield where | {"function": name, "module": module, "in_app": ours}


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return a sink that reports errors to the DSN of the options."""
    return Reporter(host.name, host.options(Options), host.state(list))
