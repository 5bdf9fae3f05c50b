"""The only place that makes HTTP of an error."""

from __future__ import annotations

from twisted.web.http import Request

from imaged.core.errors import BusyError, ImagedError, MethodNotAllowedError, StoreUnavailableError
from imaged.web.answers import send_json


def send_error(request: Request, error: ImagedError) -> None:
    """Answer with `{"error": …}` and the status that the error carries; no error is ever cacheable."""
    request.setResponseCode(error.status)
    if isinstance(error, BusyError):
        request.setHeader("Retry-After", str(error.retry_after_s))
    elif error.status == BusyError.status:
        request.setHeader("Retry-After", "10")
    if isinstance(error, MethodNotAllowedError):
        request.setHeader("Allow", ", ".join(error.allowed))
    # What a store says is for operators, who read it in the log: it names buckets, hosts and permissions.
    away = isinstance(error, StoreUnavailableError)
    send_json(request, {"error": "the remote store is away: try again later" if away else str(error)})
