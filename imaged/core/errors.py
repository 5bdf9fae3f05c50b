"""The error tree. Each error has an HTTP status and a message for the client.

Code that calls a library translates the library's exceptions into these errors. Only `imaged.web.errors` turns them
into HTTP. A message says what is wrong, with what, and what to do. An error with a `public_message` keeps its own one
for the operator, in the log; the client gets the public one.
"""

from __future__ import annotations

from typing import ClassVar


class ImagedError(Exception):
    """An error that imaged reports to a client or an operator.

    `status` is the HTTP status of the answer. `transient` says whether the same work may succeed later by itself: the
    job queue retries such work, and marks other work as failed.
    """

    status: ClassVar[int] = 500
    transient: ClassVar[bool] = False
    public_message: ClassVar[str | None] = None
    """The text for clients, where the message may name paths, hosts or parts of the server."""


class MalformedRequestError(ImagedError):
    """The request or its source URL cannot be understood."""

    status = 400


class UnauthorizedError(ImagedError):
    """The request needs a token, and has none or a wrong one. `challenge` is the `WWW-Authenticate` of the answer."""

    status = 401

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class SourceForbiddenError(ImagedError):
    """The source is in a network that this server does not fetch from."""

    status = 403


class ForbiddenError(ImagedError):
    """The client may not do this. `challenge`, if any, is the `WWW-Authenticate` of the answer."""

    status = 403

    def __init__(self, message: str, challenge: str = "") -> None:
        super().__init__(message)
        self.challenge = challenge


class NotFoundError(ImagedError):
    """The image, output name or source does not exist."""

    status = 404


class MethodNotAllowedError(ImagedError):
    """The path exists, but not for this method; `allowed` lists its methods."""

    status = 405

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class PolicyError(ImagedError):
    """The output is well formed, but the namespace's policy does not allow it."""

    status = 406


class TooSlowError(ImagedError):
    """A client sent or read too slowly, and the server closed its connection without an answer."""

    status = 408


class HashConflictError(ImagedError):
    """The store holds other bytes under the same MD5."""

    status = 409


class GoneError(NotFoundError):
    """The picture was erased."""

    status = 410


class PreconditionFailedError(ImagedError):
    """The file is not the version that the request names."""

    status = 412


class TooLargeError(ImagedError):
    """The picture has too many bytes or pixels."""

    status = 413


class TargetTooLongError(ImagedError):
    """The request line is too long."""

    status = 414


class NotAPictureError(ImagedError):
    """The bytes are not a picture in a format that this server reads, or the picture is broken."""

    status = 415


class DeclinedError(NotAPictureError):
    """A processor leaves this picture to the next one: it cannot render it as well, or finds damage in it."""


class RangeNotSatisfiableError(ImagedError):
    """The file has no byte of the requested range."""

    status = 416


class ExpectationError(ImagedError):
    """The request expects something other than 100-continue."""

    status = 417


class MisdirectedError(ImagedError):
    """The request names a host that this port does not serve."""

    status = 421


class TooManyRequestsError(ImagedError):
    """The client has used up one of its limits: retry after `retry_after_s` seconds."""

    status = 429

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class HeadTooLargeError(ImagedError):
    """The head of the request has too many bytes or headers."""

    status = 431


class UnknownCodingError(ImagedError):
    """The body has a transfer coding that this server does not read."""

    status = 501


class SourceFailedError(ImagedError):
    """The source of an original answered with an error, or did not answer."""

    status = 502
    transient = True


class SourceTimeoutError(SourceFailedError):
    """The source of an original was too slow."""

    status = 504


class BusyError(ImagedError):
    """The queue is full, or the daemon is shutting down: retry after `retry_after_s` seconds."""

    status = 503
    transient = True

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutOfTimeError(BusyError):
    """The work used all its time and did not end. It probably would again, so the job queue retries it rarely."""

    def __init__(self, message: str, retry_after_s: int = 60) -> None:
        super().__init__(message, retry_after_s)


class NoWorkerError(BusyError):
    """No worker process was ready in time."""


class StoreError(ImagedError):
    """The local or the remote store could not read or write a file."""

    status = 503
    transient = True
    public_message = "this server cannot read or keep the picture now: try again later"


class StoreUnavailableError(StoreError):
    """The whole remote store is unreachable, overloaded or refuses access: other keys would fail too."""

    public_message = "the remote store is unavailable: try again later"


class DiskFullError(StoreError):
    """A disk has no room for what should be kept."""

    status = 507
    public_message = "this server has no room for new pictures now: try again later"


class ReadOnlyError(StoreError):
    """The file system of the store takes no changes, as after an error of its disk."""


class NoPermissionError(ReadOnlyError):
    """The user of the daemon may not change the files of the store."""


class StoreBoundError(DiskFullError):
    """The store may not grow beyond the bound that the settings give it."""


class CorruptOriginalError(StoreError):
    """The remote store holds other bytes than imaged uploaded."""

    status = 502
    transient = False
    public_message = "the kept original of this picture is damaged: post it again"


class ReadbackFailedError(SourceFailedError):
    """`remote.base_url` did not return an original."""

    public_message = "the original cannot be read back from the remote store: try again later"


class OriginFailedError(SourceFailedError):
    """An origin of the settings answered with an error, or did not answer."""

    public_message = "the origin of this picture fails now: try again later"


class OriginTimeoutError(SourceTimeoutError):
    """An origin of the settings was too slow."""

    public_message = "the origin of this picture is too slow now: try again later"


class UnknownVersionError(ImagedError):
    """The request has a version of HTTP that this server does not speak."""

    status = 505


class PluginFailedError(ImagedError):
    """A plugin broke its contract."""

    public_message = "a part of this server failed: its operator finds the reason in the log"
