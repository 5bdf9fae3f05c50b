"""Events: values that say what happened. Each metrics sink derives its metrics from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputRendered:
    """An output that the store lacked was rendered in `elapsed_s` seconds."""

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
    """A request on the public port ended `elapsed_s` after it began; the answer's body had `size_bytes`.

    `route` is the kind of its path: `output`, `original`, `info`, `post`, `process`, `srcset`, `status_check`, `other`.
    `outcome` says where an output came from: `hit`, `rendered`, or `coalesced` for a render that another request began.
    `namespace`, `extension` and `outcome` are None where the request has none. `status` is 499 for a client that closed
    its connection before the answer ended, or that was too slow.
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
    """A request ended with an error; `namespace` and `extension` are None where the path has none.

    `route` is as in RequestAnswered, which is recorded too.
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
    """An original could not be fetched from its source or the remote store; `reason` is the error's class."""

    namespace: str
    reason: str


@dataclass(frozen=True)
class Uploaded:
    """A file of `size_bytes` reached the remote store in `elapsed_s` seconds."""

    namespace: str
    size_bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class WorkerDied:
    """A worker process died in a job. `cause` is the name of a signal, `exit`, `template`, `late` or `nonsense`.

    `template` ended with its template, which died or was killed. `late` was killed because it did not end in time.
    `nonsense` sent what no worker sends.
    """

    cause: str


Event = (
    OutputRendered
    | OutputFailed
    | RequestAnswered
    | RequestFailed
    | OriginalDownloaded
    | OriginalUnavailable
    | Uploaded
    | WorkerDied
)
