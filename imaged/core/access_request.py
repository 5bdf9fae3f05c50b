"""A request as guards see it: a plain value, without the connection and the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from imaged.core.files import ImageFile


class Action(StrEnum):
    """What a request does to the pictures of a namespace."""

    READ = "read"
    POST = "post"
    PROCESS = "process"
    DELETE = "delete"


WRITES = (Action.POST, Action.PROCESS, Action.DELETE)

GUARD_PARAMETERS = ("s", "e", "maximum_bytes")
"""The parameters of signed URLs: the signature, the time of expiry, and the largest upload."""


@dataclass(frozen=True)
class AccessRequest:
    """What a client wants to do in a namespace, and what it sends to be allowed to.

    `file` is None for everything but a read of one file, and is a preset without its version. `path` is that of the
    request line, without the query. `parameters` has the GUARD_PARAMETERS that the query has, percent-decoded.
    `authorization` is the header of that name, `address` that of the client. `is_forwarded` says whether a proxy passed
    the request on, and added a header that says so. `page` is the origin of a web page of another host, for which a
    browser sent the request.
    """

    action: Action
    namespace: str
    path: str
    file: ImageFile | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    authorization: str | None = None
    address: str = ""
    is_forwarded: bool = False
    page: str | None = None
