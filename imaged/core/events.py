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
class RequestFailed:
    """A request ended with an error; `namespace` and `extension` are None where the path holds none."""

    namespace: str | None
    extension: str | None
    status: int


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


Event = OutputRendered | RequestFailed | OriginalDownloaded | OriginalUnavailable | Uploaded
