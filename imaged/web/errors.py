"""Turns errors into HTTP answers; no other module does."""

from __future__ import annotations

import re
from http import HTTPStatus

from twisted.web.http import Request

from imaged.core.errors import (
    BusyError,
    ForbiddenError,
    ImagedError,
    MethodNotAllowedError,
    NotAPictureError,
    TooLargeError,
    TooManyRequestsError,
    UnauthorizedError,
)
from imaged.web.answers import send_json

_PLACE = re.compile(r"(?<![\w.:/])/[\w.@%+~-]+(?:/[\w.@%+~-]+)+/?|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?")
"""A path of two parts or more, or an IPv4 address."""

_OF_PLUGINS = (NotAPictureError, TooLargeError, BusyError)
"""Errors whose messages plugins or their libraries write."""


def send_error(request: Request, error: ImagedError, *, private: bool = False) -> None:
    """Answer with `{"error": …}` and the status of the error. No cache may keep it.

    The clients of a `private` port are operators, who get the whole message.
    """
    request.setResponseCode(error.status, HTTPStatus(error.status).phrase.encode())
    if isinstance(error, BusyError | TooManyRequestsError):
        request.setHeader("Retry-After", str(error.retry_after_s))
    elif error.status == BusyError.status:
        request.setHeader("Retry-After", "10")
    if isinstance(error, UnauthorizedError | ForbiddenError) and error.challenge:
        request.setHeader("WWW-Authenticate", error.challenge)
    if isinstance(error, MethodNotAllowedError):
        request.setHeader("Allow", ", ".join(error.allowed))
    send_json(request, {"error": str(error) if private else public_text(error)})


def public_text(error: ImagedError) -> str:
    """Return the message of an error for any client: without paths of this machine and addresses of its network.

    The log has the whole message.
    """
    if error.public_message is not None:
        return error.public_message
    foreign = isinstance(error, _OF_PLUGINS) or type(error) is ImagedError
    return _PLACE.sub("…", str(error)) if foreign else str(error)


def drop_tracebacks(error: BaseException | None) -> None:
    """Remove the tracebacks of an error and its causes, when they have been logged.

    Their frames hold the request, which holds the error: only the garbage collector would free both.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
