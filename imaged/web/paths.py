"""The table of paths: what a request is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus, unquote_to_bytes

from twisted.web.http import Request

from imaged.core.errors import MalformedRequestError, MethodNotAllowedError, NotFoundError
from imaged.core.hashes import ImageHash, ImageId, check_namespace, shorten
from imaged.core.source_urls import SourceUrl


@dataclass(frozen=True)
class HealthPath:
    """`/status_check`."""


@dataclass(frozen=True)
class NamespacePath:
    """`/{ns}`: where originals are posted."""

    namespace: str


@dataclass(frozen=True)
class ProcessPath:
    """`/{ns}/{hash}/process`."""

    image: ImageId


@dataclass(frozen=True)
class FilePath:
    """`/{ns}/{hash}/{name}`: an output, `original` or `info.json`."""

    image: ImageId
    name: str


PublicPath = HealthPath | NamespacePath | ProcessPath | FilePath
READ = ("GET", "HEAD")
_HASH_AND_NAME = 3  # the fewest segments of a path with a hash: namespace, hash, name
_SOURCE = re.compile(r"(?<=[?&]source=)[^&]*")
_ABSOLUTE = re.compile(rb"https?://[^/?]*", re.IGNORECASE)


def shown(target: bytes) -> str:
    """Return what a request asks for, fit for a log: a source without its query, which may be a signature."""
    text = target.decode("ascii", "backslashreplace")
    return shorten(_SOURCE.sub(lambda match: _shown_source(match[0]), text), 400)


def _shown_source(quoted: str) -> str:
    try:
        return SourceUrl.parse(unquote_plus(quoted)).shown
    except MalformedRequestError:
        return "..."


def segments(path: bytes) -> list[str]:
    """Return the segments of a path, each percent-decoded once, after they have been cut.

    A target may be a whole URL (RFC 9112, 3.2.2). Raises NotFoundError for what is not ASCII, or does not begin with
    a slash: no path of ours is like that.
    """
    path = _ABSOLUTE.sub(b"", path, count=1) if not path.startswith(b"/") else path
    if not path.startswith(b"/"):
        raise NotFoundError("no such path: paths begin with a slash")
    try:
        return [unquote_to_bytes(segment).decode("ascii") for segment in path.split(b"/")[1:]]
    except UnicodeDecodeError as error:
        raise NotFoundError("no such path: paths here are plain ASCII") from error


def read_path(request: Request) -> PublicPath:
    """Return what a request on the public port is about.

    Raises NotFoundError for a path that is none of ours, MethodNotAllowedError for the wrong method.
    """
    parts = segments(request.path)
    if parts == ["status_check"] and request.method != b"POST":
        allow(request, READ)
        return HealthPath()
    if len(parts) == 1 and parts[0]:
        namespace = check_namespace(parts[0])
        allow(request, ("POST",))
        return NamespacePath(namespace)
    if len(parts) < _HASH_AND_NAME:
        asked = shorten(request.path.decode("ascii", "backslashreplace"))
        raise NotFoundError(f"nothing is at {asked!r}: pictures are at /NAMESPACE/HASH/OUTPUT")
    image = ImageId(check_namespace(parts[0]), ImageHash.from_segments(parts[1:-1]))
    if parts[-1] == "process":
        allow(request, ("POST",))
        return ProcessPath(image)
    allow(request, READ)
    return FilePath(image, parts[-1])


def allow(request: Request, methods: tuple[str, ...]) -> None:
    """Raise MethodNotAllowedError for a request with a method that is none of these."""
    method = request.method.decode("ascii", "backslashreplace")
    if method not in methods:
        raise MethodNotAllowedError(f"{shorten(method)} does not work here: use {' or '.join(methods)}", methods)
