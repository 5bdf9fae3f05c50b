"""The status port: one snapshot of the daemon, for programs and for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from twisted.web.http import Request

from imaged.core.errors import MethodNotAllowedError, NotFoundError
from imaged.web.answers import send, send_json
from imaged.web.paths import READ, segments
from imaged.web.requests import ImagedRequest
from imaged.web.status_page import render_page

Snapshot = dict[str, Any]


@dataclass(frozen=True)
class StatusSite:
    """Answers requests on the status port. `snapshot` takes the figures anew for each."""

    snapshot: Callable[[], Awaitable[Snapshot]]
    send_health: Callable[[Request], None]

    async def handle(self, request: ImagedRequest) -> None:
        """Answer one request, or raise the ImagedError that it ends with."""
        method, parts = request.method.decode("ascii", "backslashreplace"), segments(request.path)
        if parts not in (["status_check"], ["status.json"], ["status"], [""]):
            raise NotFoundError("nothing is here: try /status, /status.json or /status_check")
        if method not in READ:
            raise MethodNotAllowedError(f"use {' or '.join(READ)} here", READ)
        if parts == ["status_check"]:
            self.send_health(request)
        elif parts == ["status.json"]:
            send_json(request, await self.snapshot())
        else:
            page = render_page(await self.snapshot())
            request.setHeader("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            send(request, page.encode(), "text/html; charset=utf-8")
