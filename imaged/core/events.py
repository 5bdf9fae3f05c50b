"""What happened, as values: each metrics sink names its own metrics after them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputRendered:
    """A local copy was not found and the output was rendered in `elapsed_s` seconds."""

    namespace: str
    output: str
    extension: str
    elapsed_s: float


@dataclass(frozen=True)
class OutputFailed:
    """An output could not be rendered, for a request or for the job queue; `reason` is the error's class."""

    namespace: str
    output: str
    extension: str
    reason: str


@dataclass(frozen=True)
class RequestAnswered:
    """A request on the public port ended, well or not, `elapsed_s` after it began; `size_bytes` of its body were sent.

    `route` is what its path asked for: `output`, `original`, `info`, `post`, `process`, `status_check` or `other`.
    `outcome` says where an output came from: `hit`, `rendered` or `joined`. `namespace`, `extension` and `outcome` are
    None where there is none. `status` is 499 for a client that left before its answer had ended,
    or was too slow to be waited for.
    """

    route: str
    namespace: str | None
    extension: str | None
    status: int
    outcome: str | None
    size_bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class RequestFailed:
    """A request ended with an error; `namespace` and `extension` are None where the path holds none.

    `route` is as in RequestAnswered, which comes as well, when the answer has been sent.
    """

    namespace: str | None
    extension: str | None
    status: int
    route: str = "other"


@dataclass(frozen=True)
class OriginalDownloaded:
    """An original came from its source, `size_bytes` in `elapsed_s` seconds."""

    namespace: str
    size_bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class OriginalUnavailable:
    """An original could not be had from its source or the remote store; `reason` is the error's class."""

    namespace: str
    reason: str


@dataclass(frozen=True)
class Uploaded:
    """A file of `size_bytes` reached the remote store in `elapsed_s` seconds."""

    namespace: str
    size_bytes: int
    elapsed_s: float


Event = (
    OutputRendered
    | OutputFailed
    | RequestAnswered
    | RequestFailed
    | OriginalDownloaded
    | OriginalUnavailable
    | Uploaded
)
