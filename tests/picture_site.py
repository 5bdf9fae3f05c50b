"""A site of pictures on loopback, with validators, whose answers a test may change, hold and count."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any
from urllib.parse import unquote

from loopback_site import listen
from twisted.internet.defer import Deferred
from twisted.web.http import Request


class PictureSite:
    """Serves `pictures` by their decoded paths, with ETags.

    `asked` counts the requests by target, `conditional` those with a condition, `unchanged` the answers 304. While
    `code` is set, every answer has it. `hold` keeps requests until `release`.
    """

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.conditional = self.unchanged = 0
        self.headers: list[dict[str, str]] = []
        self.code: int | None = None
        self.redirects: dict[str, str] = {}
        self._gate: Deferred[None] | None = None
        self._held: list[Request] = []
        self._port: Any = None
        self.number = 0

    def start(self) -> str:
        """Listen, and return the URL of the site; the same one again after `stop`."""
        self._port = listen(self._take, self.number)
        self.number = self._port.getHost().port
        return f"http://127.0.0.1:{self.number}/media/"

    async def stop(self) -> None:
        """Refuse connections."""
        if self._port is not None:
            port, self._port = self._port, None
            await port.stopListening()

    def hold(self) -> None:
        """Answer no request until `release`."""
        self._gate = Deferred()

    def release(self) -> None:
        """Answer the held requests."""
        self._gate = None
        held, self._held = self._held, []
        for request in held:
            self._answer(request)

    def _take(self, request: Request) -> None:
        self.asked[request.uri.decode()] += 1
        self.headers.append(
            {name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()}
        )
        if self._gate is None:
            self._answer(request)
        else:
            self._held.append(request)

    def _answer(self, request: Request) -> None:
        target = request.uri.decode()
        path = unquote(target).removeprefix("/media/")
        body = self.pictures.get(path)
        given = request.requestHeaders.getRawHeaders("if-none-match", [])
        self.conditional += bool(given)
        etag = f'"{hashlib.sha256(body or b"").hexdigest()[:16]}"'
        if self.code is not None or body is None:
            request.setResponseCode(self.code or 404)
            body = b""
            if path in self.redirects:
                request.setResponseCode(302)
                request.setHeader("Location", self.redirects[path])
        elif etag in given:
            self.unchanged += 1
            request.setResponseCode(304)
            body = b""
        else:
            request.setHeader("Content-Length", str(len(body)))
        request.setHeader("ETag", etag)
        request.write(body)
        request.finish()
