"""Translate errors: StoreError for one key, StoreUnavailableError for all of Manta, each with advice."""

from __future__ import annotations

from collections.abc import Iterator

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet import error as network
from twisted.internet.defer import CancelledError
from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived

from imaged.api import StoreError, StoreUnavailableError

from .responses import Response

_TLS = (TLSError, VerificationError)

REQUEST_ERRORS = (
    CancelledError,
    network.ConnectError,
    network.ConnectionClosed,
    network.ConnectingCancelledError,
    network.DNSLookupError,  # an OSError, and no ConnectError
    *_TLS,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
"""The exceptions that a request may end with instead of a response."""

_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((network.TimeoutError, network.TCPTimedOutError), "does not answer"),
    (_TLS, "fails the check of its TLS certificate"),
    ((network.ConnectionRefusedError,), "refuses the connection: check url"),
    ((network.DNSLookupError, network.UnknownHostError), "has no address: check url"),
    ((network.ConnectError,), "cannot be reached"),
    ((Exception,), "closes the connection, or does not speak HTTP"),
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


def was_dropped(error: Exception) -> bool:
    """Return whether the connection was closed before any byte of a response arrived."""
    return isinstance(error, ResponseNeverReceived | RequestTransmissionFailed) and any(
        isinstance(cause, network.ConnectionClosed) for cause in _causes(error)
    )


def was_cancelled(error: Exception) -> bool:
    """Return whether a request failed because its caller cancelled it."""
    return any(isinstance(cause, CancelledError | network.ConnectingCancelledError) for cause in _causes(error))


def translate(host: str, error: Exception) -> Exception:
    """Return our error for one of REQUEST_ERRORS."""
    if isinstance(error, CancelledError):
        return error
    causes = list(_causes(error))
    if isinstance(error, RequestGenerationFailed):
        return StoreError(f"the file changed while it was sent to Manta at {host}: try again")
    meaning = next(meaning for kinds, meaning in _MEANINGS if any(isinstance(cause, kinds) for cause in causes))
    return StoreUnavailableError(f"Manta at {host} {meaning} ({type(causes[-1]).__name__})")


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


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for reason in getattr(error, "reasons", ()):
        yield from _causes(reason.value)
