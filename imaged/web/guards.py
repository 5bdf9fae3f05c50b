"""What guards look at: a request as a plain value. Each guard lets it pass, or raises the error of its refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from twisted.web.http import Request

from imaged.config.model import Settings
from imaged.core.access_request import GUARD_PARAMETERS, AccessRequest, Action
from imaged.core.errors import MalformedRequestError
from imaged.core.files import ImageFile, parse_file
from imaged.web.headers import OF_PROXIES, header
from imaged.web.hosts import is_own_name, named_host
from imaged.web.paths import (
    ErasePath,
    FilePath,
    ForgetPath,
    HealthPath,
    ImagePath,
    NamespacePath,
    OriginPath,
    ProcessPath,
    PublicPath,
    SrcsetPath,
    own_path,
)

Guard = Callable[[AccessRequest, Settings], None]
"""Raises an ImagedError when a client may not ask for something. Called once for each request, before its body is read,
on the reactor thread; it never waits."""


def read_access_request(request: Request, path: PublicPath, address: str, *, is_proxied: bool) -> AccessRequest | None:
    """Return a request as guards see it, or None for `/status_check`, which is open to all.

    `is_proxied` says whether its connection began with a PROXY header, with or without an address.
    Raises NotFoundError for a name that is none, MalformedRequestError for a repeated parameter of guards, or a
    repeated `Authorization`.
    """
    action = Action.READ
    file: ImageFile | None = None
    match path:
        case HealthPath():
            return None
        case NamespacePath(namespace):
            action = Action.POST
        case OriginPath(namespace, _, _, "srcset"):
            pass
        case OriginPath(namespace, _, _, name):
            file = parse_file(name)
        case FilePath(image, name):
            namespace, file = image.namespace, parse_file(name)
        case SrcsetPath(image) | ImagePath(image):
            namespace = image.namespace
        case ProcessPath(image):
            namespace, action = image.namespace, Action.PROCESS
        case ErasePath(image) | ForgetPath(image):
            namespace, action = image.namespace, Action.DELETE
    return AccessRequest(
        action=action,
        namespace=namespace,
        path=own_path(request.path).decode("latin-1"),
        file=file,
        parameters=guard_parameters(request.uri),
        authorization=_authorization(request),
        address=address,
        is_forwarded=is_proxied or any(header(request, name) is not None for name in OF_PROXIES),
        page=_foreign_page(request),
    )


def _authorization(request: Request) -> str | None:
    """Return the header, which a request has once (RFC 9110, 11.6.2): a proxy may have checked another one."""
    if len(request.requestHeaders.getRawHeaders(b"authorization", ())) > 1:
        raise MalformedRequestError("more than one header Authorization: send one")
    return header(request, b"authorization")


def _foreign_page(request: Request) -> str | None:
    """Return the origin of the page that a browser sent a request for (Fetch, 3.1), unless it is of this host.

    A page under a name of its own, which it points at this machine (DNS rebinding), is foreign.
    """
    origin = header(request, b"origin")
    if origin is None:
        return None
    own = named_host(request)
    return None if page_host(origin) == own and is_own_name(own) else origin


def page_host(origin: str) -> str | None:
    """Return the host of the origin of a web page, in lower case, or None for an origin without one."""
    match = re.fullmatch(r"https?://(.+?)(?::[0-9]+)?", origin)
    return None if match is None else match[1].lower()


def guard_parameters(target: bytes) -> Mapping[str, str]:
    """Return the parameters of a target that guards read, percent-decoded. The others are not looked at."""
    found: dict[str, str] = {}
    query = target.partition(b"?")[2]
    for item in query.decode("latin-1").split("&") if query else ():
        key, _, value = item.partition("=")
        if key in GUARD_PARAMETERS:
            if key in found:
                raise MalformedRequestError(f"more than one {key}: give one")
            found[key] = unquote_plus(value)
    return found
