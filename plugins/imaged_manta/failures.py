"""What goes wrong, in our own words: which errors mean the key alone, and which all of Manta."""

from __future__ import annotations

from collections.abc import Iterator

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet import error as network
from twisted.internet.defer import CancelledError
from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived

from imaged.api import StoreError, StoreUnavailableError

from .answers import Answer

_TLS = (TLSError, VerificationError)

FAILURES = (
    CancelledError,
    network.ConnectError,
    network.ConnectionClosed,
    network.ConnectingCancelledError,
    *_TLS,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
"""All that a request may end with instead of an answer."""

_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((network.TimeoutError, network.TCPTimedOutError), "does not answer"),
    (_TLS, "fails the check of its TLS certificate"),
    ((network.ConnectionRefusedError,), "refuses the connection: check url"),
    ((network.DNSLookupError, network.UnknownHostError), "has no address: check url"),
    ((network.ConnectError,), "cannot be reached"),
    ((Exception,), "breaks off, or sends what is no HTTP"),
)

_ADVICE = {
    "AccountBlocked": "the account is not active",
    "AccountDoesNotExist": "there is no such account: check account",
    "AuthorizationFailed": "the user may not do this: give the user a role that may, and name it in roles",
    "AuthorizationRequired": "it wants a signature: set key_id",
    "InvalidAlgorithm": "it does not take this kind of key: use an RSA one",
    "InvalidKeyId": "it cannot read who asks: check account and user",
    "InvalidRole": "the user has no such role: check roles",
    "InvalidSignature": "the signature does not match: check that key_id is the account's or the user's",
    "KeyDoesNotExist": "the account or the user has no such key: check key_id, or add the public key there",
    "NoMatchingRoleTag": "none of the roles is on the directory: check roles, or tag it with mchmod",
    "SecureTransportRequired": "use https:// in url",
    "UserDoesNotExist": "the account has no such user: check user",
}
_CLOCK = "the clock of this machine is wrong, or Manta's: set it"

_AWAY_STATUSES = {401, 403, 407, 408, 429}
_BROKEN = 500


def is_dropped(failure: Exception) -> bool:
    """Say whether the connection was closed before anything of an answer came."""
    return isinstance(failure, ResponseNeverReceived | RequestTransmissionFailed) and any(
        isinstance(cause, network.ConnectionClosed) for cause in _causes(failure)
    )


def is_ours(failure: Exception) -> bool:
    """Say whether it failed because whoever asked has lost interest."""
    return any(isinstance(cause, CancelledError | network.ConnectingCancelledError) for cause in _causes(failure))


def translate(host: str, failure: Exception) -> Exception:
    """Return what one of FAILURES means."""
    if isinstance(failure, CancelledError):
        return failure
    causes = list(_causes(failure))
    if isinstance(failure, RequestGenerationFailed):
        return StoreError(f"the file changes while it is sent to Manta at {host}: try again")
    meaning = next(meaning for kinds, meaning in _MEANINGS if any(isinstance(cause, kinds) for cause in causes))
    return StoreUnavailableError(f"Manta at {host} {meaning} ({type(causes[-1]).__name__})")


def refusal(host: str, key: str, answer: Answer) -> StoreError:
    """Return what a refusal means."""
    code = answer.code
    told = f"Manta at {host} refuses {key} ({answer.status}{f' {_shortened(code)}' if code else ''})"
    if code in _ADVICE:
        return StoreUnavailableError(f"{told}: {_ADVICE[code]}")
    if "clock skew" in answer.message or code == "RequestExpired":
        return StoreUnavailableError(f"{told}: {_CLOCK}")
    if answer.status in _AWAY_STATUSES or answer.status >= _BROKEN:
        return StoreUnavailableError(f"{told}: {_shortened(answer.message) or 'try again later'}")
    if not code:
        return StoreUnavailableError(f"{told}, in a way that is not Manta's: check url")
    return StoreError(f"{told}: {_shortened(answer.message) or 'it does not say why'}")


def _shortened(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:200]


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for reason in getattr(error, "reasons", ()):
        yield from _causes(reason.value)
