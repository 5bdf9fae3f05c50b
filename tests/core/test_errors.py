"""Every error has its HTTP status and says whether a retry may succeed."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from imaged.core import errors
from imaged.core.errors import BusyError, ImagedError, MethodNotAllowedError, SourceFailedError, SourceTimeoutError

STATUSES = {
    "MalformedRequestError": 400,
    "UnauthorizedError": 401,
    "SourceForbiddenError": 403,
    "ForbiddenError": 403,
    "NotFoundError": 404,
    "MethodNotAllowedError": 405,
    "PolicyError": 406,
    "TooSlowError": 408,
    "HashConflictError": 409,
    "GoneError": 410,
    "PreconditionFailedError": 412,
    "TooLargeError": 413,
    "TargetTooLongError": 414,
    "NotAPictureError": 415,
    "DeclinedError": 415,
    "RangeNotSatisfiableError": 416,
    "ExpectationError": 417,
    "MisdirectedError": 421,
    "TooManyRequestsError": 429,
    "HeadTooLargeError": 431,
    "UnknownCodingError": 501,
    "UnknownVersionError": 505,
    "SourceFailedError": 502,
    "ReadbackFailedError": 502,
    "SourceTimeoutError": 504,
    "OriginFailedError": 502,
    "OriginTimeoutError": 504,
    "BusyError": 503,
    "OutOfTimeError": 503,
    "NoWorkerError": 503,
    "StoreError": 503,
    "StoreUnavailableError": 503,
    "DiskFullError": 507,
    "StoreBoundError": 507,
    "ReadOnlyError": 503,
    "NoPermissionError": 503,
    "CorruptOriginalError": 502,
    "PluginFailedError": 500,
}
TRANSIENT = {
    "SourceFailedError",
    "ReadbackFailedError",
    "OriginFailedError",
    "OriginTimeoutError",
    "SourceTimeoutError",
    "BusyError",
    "OutOfTimeError",
    "NoWorkerError",
    "StoreError",
    "StoreUnavailableError",
    "DiskFullError",
    "StoreBoundError",
    "ReadOnlyError",
    "NoPermissionError",
}


def tree(root: type[ImagedError]) -> Iterator[type[ImagedError]]:
    """Yield every subclass of `root` in the module of errors."""
    for each in root.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from tree(each)


ALL = list(tree(ImagedError))


def test_each_error_has_its_status() -> None:
    """Each error has its status, and the table here lists every error."""
    assert {each.__name__: each.status for each in ALL} == STATUSES


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_status_is_one_of_an_error(error: type[ImagedError]) -> None:
    """A client's fault is 4xx and a server's fault 5xx, and each status exists."""
    assert HTTPStatus(error.status) >= HTTPStatus.BAD_REQUEST
    assert error.__name__.endswith("Error")


def test_what_may_succeed_later_is_transient() -> None:
    """The queue retries errors that may pass by themselves; a client's fault is none of them."""
    assert {each.__name__ for each in ALL if each.transient} == TRANSIENT
    assert all(each.status >= HTTPStatus.INTERNAL_SERVER_ERROR for each in ALL if each.transient)


def test_a_slow_source_is_a_failed_source() -> None:
    """Code that handles failed sources handles slow ones too."""
    assert issubclass(SourceTimeoutError, SourceFailedError)


def test_the_text_of_an_error_is_its_message() -> None:
    """The client reads the message alone."""
    assert str(BusyError("all threads are busy", retry_after_s=30)) == "all threads are busy"
    assert BusyError("busy").retry_after_s == 1
    refusal = MethodNotAllowedError("only GET here", ("GET", "HEAD"))
    assert (str(refusal), refusal.allowed) == ("only GET here", ("GET", "HEAD"))
