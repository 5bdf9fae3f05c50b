"""Answers made in memory: JSON, pages, and single lines of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.web.http import Request


def send(request: Request, body: bytes, content_type: str, caching: str = "no-store") -> None:
    """Answer with `body`, which no cache may keep by default. The status is the request's code, usually 200."""
    request.setHeader("Content-Type", content_type)
    request.setHeader("Content-Length", str(len(body)))
    request.setHeader("Cache-Control", caching)
    request.setHeader("X-Content-Type-Options", "nosniff")
    request.write(body)
    request.finish()


def send_page(request: Request, body: bytes, policy: str, caching: str = "no-store") -> None:
    """Answer with an HTML page under a Content-Security-Policy."""
    request.setHeader("Content-Security-Policy", policy)
    request.setHeader("Referrer-Policy", "no-referrer")
    send(request, body, "text/html; charset=utf-8", caching)


def send_json(request: Request, value: Any) -> None:
    """Answer with `value` as JSON."""
    send(request, json.dumps(value, ensure_ascii=False).encode() + b"\n", "application/json; charset=utf-8")


def send_text(request: Request, text: str) -> None:
    """Answer with one line of plain text."""
    send(request, text.encode() + b"\n", "text/plain; charset=utf-8")


def send_nothing(request: Request, headers: Mapping[str, str]) -> None:
    """Answer 204 with these headers."""
    request.setResponseCode(204)
    for name, value in headers.items():
        request.setHeader(name, value)
    request.write(b"")
    request.finish()
