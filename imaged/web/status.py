"""Answers requests on the status port: the page, `/status.json`, metrics, reloads and profiles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IAddress
from twisted.web.http import Request

from imaged.config.model import StatusSettings
from imaged.core.client_addresses import UNIX, is_of_this_machine
from imaged.core.errors import ForbiddenError, NotFoundError
from imaged.core.snapshot import Reload, Snapshot
from imaged.statuspage.page import Page
from imaged.statuspage.status_json import to_json
from imaged.web.answers import send, send_json, send_page
from imaged.web.debug import DebugSite
from imaged.web.headers import OF_PROXIES, header
from imaged.web.parameters import read_parameters
from imaged.web.paths import READ, allow, segments
from imaged.web.requests import ImagedRequest
from imaged.web.try_page import TryPage

_FOR_OTHERS = (*OF_PROXIES, b"origin", b"sec-fetch-site")
"""Headers of proxies and browsers, which send requests on behalf of others."""

_REFUSED = 422  # RFC 9110, 15.5.21: the request is well-formed, its content is not usable


@dataclass(frozen=True)
class StatusSite:
    """The resources of the status port.

    `snapshot` takes a snapshot, `reload` reads the settings again and returns the outcome with the number of the
    generation in effect, `settings` returns the settings in effect. `expose` takes an Accept header and returns a
    content type and a body from a metrics sink, or None where no sink exposes figures.
    """

    snapshot: Callable[[], Awaitable[Snapshot]]
    send_health: Callable[[Request], None]
    reload: Callable[[], Awaitable[tuple[Reload, int]]]
    settings: Callable[[], StatusSettings]
    expose: Callable[[str], Awaitable[tuple[str, bytes] | None]]
    page: Page
    try_page: TryPage
    debug: DebugSite

    async def handle(self, request: ImagedRequest) -> None:
        """Answer one request, or raise the ImagedError to answer with."""
        match segments(request.path):
            case ["reload"]:
                allow(request, ("POST",))
                _check_local(request)
                read_parameters(request, ())
                _send_outcome(request, *await self.reload())
            case ["status_check"]:
                allow(request, READ)
                self.send_health(request)
            case ["status.json"]:
                allow(request, READ)
                send_json(request, to_json(await self.snapshot()))
            case [""] | ["status"]:
                allow(request, READ)
                send_page(request, self.page.render(now=await self.snapshot()), self.page.policy())
            case ["try"] if self.settings().try_page:
                allow(request, READ)
                self.try_page.send(request)
            case ["metrics"]:
                allow(request, READ)
                await self._send_metrics(request)
            case ["debug", *path] if self.settings().profile:
                await self.debug.handle(request, path)
            case ["debug", *_]:
                raise NotFoundError("profiles are off: set status.profile to true or cpu")
            case ["try"]:
                raise NotFoundError("this page is off: set status.try_page to true")
            case _:
                raise NotFoundError("no such path: try /status, /status.json or /status_check")

    async def _send_metrics(self, request: ImagedRequest) -> None:
        exposed = await self.expose(header(request, b"accept") or "")
        if exposed is None:
            raise NotFoundError("metrics are off: name the plugin prometheus in the setting metrics")
        content_type, body = exposed
        send(request, body, content_type)


def is_local(client: IAddress) -> bool:
    """Say whether a client is on this machine. A UNIX socket has no host."""
    return is_of_this_machine(getattr(client, "host", None) or UNIX)


def _check_local(request: Request) -> None:
    """Raise ForbiddenError unless the client is a program on this machine that acts for itself.

    Any page of the web can make a browser post here, but the browser then sends the page's origin. Most proxies send a
    header too; a proxy without one looks like a program.
    """
    others = any(header(request, name) is not None for name in _FOR_OTHERS)
    if others or not is_local(request.getClientAddress()):
        raise ForbiddenError("only programs on this machine may request a reload, not proxies or web pages")


def _send_outcome(request: Request, outcome: Reload, generation: int) -> None:
    body = {**to_json(outcome), "generation": generation}
    if not outcome.ok:
        request.setResponseCode(_REFUSED, b"Unprocessable Content")
        body = {"error": "reload refused, the settings stay as they were", **body}
    send_json(request, body)
