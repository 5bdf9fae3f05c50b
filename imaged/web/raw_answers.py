"""Answers on connections without a request: a full port, and bytes that are not HTTP."""

from __future__ import annotations

import json
from http import HTTPStatus

from imaged.core.errors import ImagedError, TooManyRequestsError
from imaged.web.headers import http_date

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nDate: %s\r\nServer: imaged\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)


def full_port() -> bytes:
    """Return the answer of a full port."""
    return _FULL % http_date()


def refusal(error: ImagedError) -> bytes:
    """Return the answer to a request that is not valid HTTP, or to a connection too many."""
    body = json.dumps({"error": str(error)}).encode() + b"\n"
    retry = b"Retry-After: %d\r\n" % error.retry_after_s if isinstance(error, TooManyRequestsError) else b""
    return (
        b"HTTP/1.1 %d %s\r\nDate: %s\r\nServer: imaged\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"%sContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s"
    ) % (error.status, HTTPStatus(error.status).phrase.encode(), http_date(), retry, len(body), body)
