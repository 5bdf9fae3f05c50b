"""The guard of writes: who may post, process and delete.

A token decides, or the signature of an upload URL. Without any configured token, writing is open: to programs of this
machine, or to all clients where the settings say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from imaged.config.access import AccessSettings
from imaged.config.model import Settings
from imaged.core.access_request import AccessRequest, Action
from imaged.core.client_addresses import is_of_this_machine
from imaged.core.errors import ForbiddenError, MalformedRequestError, UnauthorizedError
from imaged.core.signatures import upload_message, verify
from imaged.core.tokens import CHALLENGE, INSUFFICIENT, INVALID, Token, bearer_token, find_token
from imaged.web.guards import Guard, guard_parameters, page_host

_NUMBER = re.compile(r"[0-9]{1,15}")
_SEND_TOKEN = "send one in the header Authorization: Bearer TOKEN"  # noqa: S105  # no password


def guard_writes(now_s: Callable[[], float]) -> Guard:
    """Return the guard. `now_s` returns seconds since the epoch."""

    def guard(request: AccessRequest, settings: Settings) -> None:
        if request.action is Action.POST and request.parameters:
            check_signed_upload(request, settings.access, now_s())
        elif request.action is not Action.READ:
            check_bearer(request, settings.access)
            if settings.access.needs_private_port:
                check_own_program(request, settings)

    return guard


def check_own_program(request: AccessRequest, settings: Settings) -> None:
    """Raise ForbiddenError unless a request comes from this machine, neither for a proxy nor for a page of the web.

    Pages that the settings list may write, and /try under its names. Most proxies send a header; one without looks like
    a program.
    """
    is_foreign = (
        request.page is not None
        and request.page not in settings.web_origins(request.namespace)
        and page_host(request.page) not in [name.lower() for name in settings.status.allow_hosts]
    )
    if request.is_forwarded or is_foreign or not is_of_this_machine(request.address):
        raise ForbiddenError(
            "without a token only programs on this machine may do this, not proxies or web pages: the operator of this "
            "server configures access.tokens"
        )


def check_bearer(request: AccessRequest, access: AccessSettings) -> None:
    """Raise UnauthorizedError or ForbiddenError unless a client may write by its token, or no token is configured."""
    if not access.known_tokens:
        return
    given = bearer_token(request.authorization)
    if given is None:
        raise UnauthorizedError(f"this needs a token: {_SEND_TOKEN}", CHALLENGE)
    token = find_token(access.known_tokens, given)
    if token is None:
        raise UnauthorizedError(f"this server does not know the token: {_SEND_TOKEN}", INVALID)
    if not token.allows(request.action, request.namespace):
        raise ForbiddenError(
            f"the token {token.name} is not for {request.action} in the namespace {request.namespace}: use another one",
            INSUFFICIENT,
        )


def check_signed_upload(request: AccessRequest, access: AccessSettings, now_s: float) -> None:
    """Raise ForbiddenError unless the URL of a post has a signature that is right and has not expired.

    It alone decides, whether a token comes along or not. A URL that never expires is not accepted. Raises
    MalformedRequestError for a number that is none.
    """
    signature, expires = request.parameters.get("s"), request.parameters.get("e")
    maximum_bytes = request.parameters.get("maximum_bytes")
    if any(given is not None and not _NUMBER.fullmatch(given) for given in (expires, maximum_bytes)):
        raise MalformedRequestError("e and maximum_bytes are whole numbers: use the upload URL as it was signed")
    if signature is None or expires is None:
        raise ForbiddenError("an upload URL has a signature s and a time of expiry e: sign it with imaged sign --post")
    if not verify(access.signing_keys, upload_message(request.path, expires, maximum_bytes), signature):
        raise ForbiddenError("the signature does not fit this upload URL: use the URL as it was signed")
    if int(expires) <= now_s:
        raise ForbiddenError("this upload URL has expired: ask for a new one")


def token_of(request: AccessRequest, access: AccessSettings) -> Token | None:
    """Return the token by which `guard_writes` let a request pass, or None: writing is open, or its URL is signed."""
    is_signed = request.action is Action.POST and request.parameters
    given = None if is_signed else bearer_token(request.authorization)
    return None if given is None else find_token(access.known_tokens, given)


def upload_limit_bytes(target: bytes, most_bytes: int) -> int:
    """Return how many bytes the body of a request may have: `most_bytes`, or fewer as its URL says."""
    given = guard_parameters(target).get("maximum_bytes", "") if b"?" in target else ""
    return min(int(given), most_bytes) if _NUMBER.fullmatch(given) else most_bytes
