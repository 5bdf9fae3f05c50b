"""The one error tree: each error knows its HTTP status and carries a text fit for the client.

A foreign exception is translated into one of these where it was called; `imaged.web.errors` alone turns them
into HTTP. A message says what is wrong, which thing it is about, and what to do. That of an error which is the server's
own affair is for its operators, who find it in the log; clients get what is `told` in its place.
"""

from __future__ import annotations

from typing import ClassVar


class ImagedError(Exception):
    """Anything that imaged reports to a client or an operator.

    `status` is the HTTP status of the answer. `transient` says whether the same work may succeed later without
    anybody changing anything: the job queue tries such work again and parks the rest.
    """

    status: ClassVar[int] = 500
    transient: ClassVar[bool] = False
    told: ClassVar[str | None] = None
    """What clients are told in the place of a message that may name paths, hosts or parts of the server."""


class MalformedRequestError(ImagedError):
    """The request or its source URL cannot be understood."""

    status = 400


class SourceForbiddenError(ImagedError):
    """The source lies where this server may not fetch from."""

    status = 403


class ForbiddenError(ImagedError):
    """Whoever asks may not do this."""

    status = 403


class NotFoundError(ImagedError):
    """No such image, output name or source."""

    status = 404


class MethodNotAllowedError(ImagedError):
    """The path exists, but not for this method; `allowed` names those that it has."""

    status = 405

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class PolicyError(ImagedError):
    """The output is well formed, but the namespace's policy does not allow it."""

    status = 406


class TooSlowError(ImagedError):
    """A client sent or took too little for too long, and its connection was ended without an answer."""

    status = 408


class HashConflictError(ImagedError):
    """The store holds other bytes under the same MD5."""

    status = 409


class PreconditionFailedError(ImagedError):
    """The file is not, or no longer, the one that the request is meant for."""

    status = 412


class TooLargeError(ImagedError):
    """Too many bytes or pixels."""

    status = 413


class NotAPictureError(ImagedError):
    """The bytes are no picture that this server reads, or a broken one."""

    status = 415


class RangeNotSatisfiableError(ImagedError):
    """The file has no byte of the range that was asked for."""

    status = 416


class MisdirectedError(ImagedError):
    """The request is for a host that this port does not answer for."""

    status = 421


class SourceFailedError(ImagedError):
    """The source of an original answered with a failure, or not at all."""

    status = 502
    transient = True


class SourceTimeoutError(SourceFailedError):
    """The source of an original was too slow."""

    status = 504


class BusyError(ImagedError):
    """Too much is waiting, or the daemon is leaving: come back after `retry_after_s` seconds."""

    status = 503
    transient = True

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutOfTimeError(BusyError):
    """The work had all the time that it may have, and did not end: it may again, so it is not tried often."""

    def __init__(self, message: str, retry_after_s: int = 60) -> None:
        super().__init__(message, retry_after_s)


class StoreError(ImagedError):
    """The local or the remote store could not read or keep something."""

    status = 503
    transient = True
    told = "this server cannot read or keep the picture now: try again later"


class StoreUnavailableError(StoreError):
    """The remote store as a whole is out of reach, overloaded or refuses us: no other key would fare better."""

    told = "the remote store is away: try again later"


class CorruptOriginalError(StoreError):
    """The remote store holds other bytes than those that were put there."""

    status = 502
    transient = False
    told = "the kept original of this picture is damaged: post it again"


class ReadbackFailedError(SourceFailedError):
    """The public address of the remote store, which the settings name, does not give an original."""

    told = "the original cannot be read back from the remote store: try again later"


class PluginFailedError(ImagedError):
    """A plugin broke its contract."""

    status = 500
    told = "a part of this server failed: its log tells how"
