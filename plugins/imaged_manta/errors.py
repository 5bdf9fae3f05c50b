"""Translate errors: StoreError for one key, StoreUnavailableError for all of Manta, each with advice."""

from __future__ import annotations

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from imaged.api import StoreError, StoreUnavailableError

from .responses import Response

_MEANINGS: tuple[tuple[type[Exception], str], ...] = (
    (SSLError, "fails the check of its TLS certificate"),
    (ConnectionRefusedError, "refuses the connection: check url"),
    (NameResolutionError, "has no address: check url"),
    (NewConnectionError, "cannot be reached"),
    (ConnectTimeoutError, "does not answer"),  # its subclasses are above
    (Exception, "closes the connection, or does not speak HTTP"),
)

_ADVICE = {
    "AccountBlocked": "the account is not active",
    "AccountDoesNotExist": "there is no such account: check account",
    "AuthorizationFailed": "the user may not do this: give the user a role that may, and add it to roles",
    "AuthorizationRequired": "it requires a signature: set key_id",
    "InvalidAlgorithm": "it does not accept this type of key: use an RSA key",
    "InvalidKeyId": "it cannot parse the identity: check account and user",
    "InvalidRole": "the user has no such role: check roles",
    "InvalidSignature": "the signature does not match: check that key_id is the account's or the user's",
    "KeyDoesNotExist": "the account or the user has no such key: check key_id, or add the public key there",
    "NoMatchingRoleTag": "none of the roles is on the directory: check roles, or tag it with mchmod",
    "SecureTransportRequired": "use https:// in url",
    "UserDoesNotExist": "the account has no such user: check user",
}
_CLOCK = "the clock of this machine or of Manta is wrong: synchronise it"

_UNAVAILABLE_STATUSES = {401, 403, 407, 408, 429}
_SERVER_ERROR = 500


def cause_of(error: HTTPError) -> BaseException:
    """Return the error that urllib3 has wrapped, or else the error itself."""
    wrapped = error.__cause__ or next(reversed(error.args), None)
    return wrapped if isinstance(wrapped, BaseException) else error


def translate(host: str, error: HTTPError) -> StoreUnavailableError:
    """Return our error for a request without a complete response."""
    cause = cause_of(error)
    if isinstance(error, ReadTimeoutError) or (isinstance(error, ProtocolError) and isinstance(cause, TimeoutError)):
        return StoreUnavailableError(f"Manta at {host} is too slow: the request makes no progress")
    meaning = next(meaning for kind, meaning in _MEANINGS if isinstance(error, kind) or isinstance(cause, kind))
    return StoreUnavailableError(f"Manta at {host} {meaning} ({type(cause).__name__})")


def response_error(host: str, key: str, response: Response) -> StoreError:
    """Return the error for an unsuccessful response."""
    code = response.code
    message = f"Manta at {host} refuses {key} ({response.status}{f' {_one_line(code)}' if code else ''})"
    if code in _ADVICE:
        return StoreUnavailableError(f"{message}: {_ADVICE[code]}")
    if "clock skew" in response.message or code == "RequestExpired":
        return StoreUnavailableError(f"{message}: {_CLOCK}")
    if response.status in _UNAVAILABLE_STATUSES or response.status >= _SERVER_ERROR:
        return StoreUnavailableError(f"{message}: {_one_line(response.message) or 'try again later'}")
    if not code:
        return StoreUnavailableError(f"{message}, without an error of Manta: check url")
    return StoreError(f"{message}: {_one_line(response.message) or 'it gives no reason'}")


def _one_line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:200]
