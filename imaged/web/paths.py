"""The paths of the public port, parsed into values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from twisted.web.http import Request

from imaged.core.errors import MethodNotAllowedError, NotFoundError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.formats import FORMATS, Formats
from imaged.core.hashes import ImageHash, ImageId, check_namespace, is_hash, shorten
from imaged.core.origin_paths import read_origin_path
from imaged.core.outputs import AUTO
from imaged.core.tracing import Trace


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
class SrcsetPath:
    """`/{ns}/{hash}/srcset`."""

    image: ImageId


@dataclass(frozen=True)
class FilePath:
    """`/{ns}/{hash}/{name}`: an output, `original` or `info.json`."""

    image: ImageId
    name: str


@dataclass(frozen=True)
class ImagePath:
    """`GET /{ns}/{hash}`: nothing, or a picture that was erased by this path."""

    image: ImageId


@dataclass(frozen=True)
class ErasePath:
    """`DELETE /{ns}/{hash}`: erases a picture."""

    image: ImageId


@dataclass(frozen=True)
class ForgetPath:
    """`DELETE /{ns}/{hash}/outputs`: forgets the outputs of a picture."""

    image: ImageId


@dataclass(frozen=True)
class OriginPath:
    """`/{ns}/@{origin}/{path}/{name}`: a file of the picture that an origin has at `path`, which is decoded."""

    namespace: str
    origin: str
    path: str
    name: str


PublicPath = (
    HealthPath | NamespacePath | ProcessPath | SrcsetPath | FilePath | ImagePath | ErasePath | ForgetPath | OriginPath
)
_FIXED = {str(ORIGINAL): "original", str(RECORD): "info"}
_ROUTES: dict[type[PublicPath], str] = {
    ProcessPath: "process",
    SrcsetPath: "srcset",
    ErasePath: "erase",
    ForgetPath: "forget",
}
READ = ("GET", "HEAD")
_READ_METHODS = (b"GET", b"HEAD")
_METHODS: dict[type[PublicPath], tuple[str, ...]] = {
    NamespacePath: ("POST",),
    ProcessPath: ("POST",),
    ErasePath: ("DELETE",),
    ForgetPath: ("DELETE",),
}
_AUTO = f".{AUTO}".encode()
_HASH_AND_NAME = 3  # the fewest segments of a path with a hash: namespace, hash, name
_ABSOLUTE = re.compile(rb"https?://[^/?]*", re.IGNORECASE)


def own_path(path: bytes) -> bytes:
    """Return the path of a target without its query, which may be a whole URL (RFC 9112, 3.2.2)."""
    return path if path.startswith(b"/") else _ABSOLUTE.sub(b"", path, count=1)


def segments(path: bytes) -> list[str]:
    """Split a path into segments, then percent-decode each once.

    Raises NotFoundError for a path that is not ASCII or does not begin with a slash.
    """
    return _decoded(_split(path))


def _split(path: bytes) -> list[bytes]:
    path = own_path(path)
    if not path.startswith(b"/"):
        raise NotFoundError("no such path: paths begin with a slash")
    return path.split(b"/")[1:]


def _decoded(parts: Sequence[bytes]) -> list[str]:
    try:
        return [unquote_to_bytes(segment).decode("ascii") for segment in parts]
    except UnicodeDecodeError as error:
        raise NotFoundError("no such path: all paths are plain ASCII") from error


def read_path(request: Request) -> PublicPath:
    """Parse the path of a request on the public port. Raises NotFoundError for an unknown path."""
    encoded = _split(request.path)
    if len(encoded) > 1 and unquote_to_bytes(encoded[1]).startswith(b"@"):
        return _read_origin_path(encoded)
    parts = _decoded(encoded)
    if any("?" in part for part in parts):  # the message leaves it out: it may hold a source
        raise NotFoundError("no such path: the ? before its parameters is percent-encoded")
    if parts == ["status_check"] and request.method != b"POST":
        return HealthPath()
    if len(parts) == 1 and parts[0]:
        return NamespacePath(check_namespace(parts[0]))
    asked = shorten(request.path.decode("ascii", "backslashreplace"))
    if len(parts) > 1 and not parts[-1]:
        advice = ", or add an output, such as w500.jpg" if is_hash("".join(parts[1:])) else ""
        raise NotFoundError(f"nothing is at {asked!r}: remove the slash at its end{advice}")
    if is_hash("".join(parts[1:])):
        image = _image(parts)
        return ImagePath(image) if request.method in _READ_METHODS else ErasePath(image)
    if len(parts) < _HASH_AND_NAME:
        raise NotFoundError(f"nothing is at {asked!r}: post pictures to /NAMESPACE, and get /NAMESPACE/HASH/OUTPUT")
    return _read_image_path(_image(parts[:-1]), parts[-1])


def _image(parts: Sequence[str]) -> ImageId:
    return ImageId(check_namespace(parts[0]), ImageHash.from_segments(parts[1:]))


def _read_image_path(image: ImageId, name: str) -> PublicPath:
    match name:
        case "process":
            return ProcessPath(image)
        case "outputs":
            return ForgetPath(image)
        case "srcset":
            return SrcsetPath(image)
    return FilePath(image, name)


def _read_origin_path(encoded: Sequence[bytes]) -> OriginPath:
    namespace, origin, name = _decoded([*encoded[:2], encoded[-1]])
    path = encoded[2:-1]
    if not path or "?" in name:
        raise NotFoundError("the path of an origin is /NAMESPACE/@ORIGIN/PATH/OUTPUT, with an output such as w500.jpg")
    return OriginPath(check_namespace(namespace), origin[1:], read_origin_path(path), name)


def check_method(request: Request, path: PublicPath) -> None:
    """Raise MethodNotAllowedError unless the method of a request fits its path."""
    allow(request, _METHODS.get(type(path), READ))


def is_auto(path: bytes) -> bool:
    """Return whether a path is that of an `auto` output, whose answers depend on the `Accept` header."""
    return (unquote_to_bytes(path) if b"%" in path else path).endswith(_AUTO)


def describe_request(trace: Trace, path: PublicPath, formats: Formats = FORMATS) -> None:
    """Record what a path says in `trace`. An extension that `formats` lack is left out."""
    if isinstance(path, ProcessPath | SrcsetPath | FilePath | ImagePath | ErasePath | ForgetPath):
        trace.cache_tag = path.image.cache_tag
    match path:
        case HealthPath():
            trace.route = "status_check"
        case NamespacePath(namespace):
            trace.route, trace.namespace = "post", namespace
        case ProcessPath(image) | SrcsetPath(image) | ErasePath(image) | ForgetPath(image):
            trace.route, trace.namespace = _ROUTES[type(path)], image.namespace
        case ImagePath(ImageId(namespace)):
            trace.namespace = namespace
        case FilePath(ImageId(namespace), name) | OriginPath(namespace, _, _, name) if name in _FIXED:
            trace.route, trace.namespace = _FIXED[name], namespace
        case OriginPath(namespace, _, _, "srcset"):
            trace.route, trace.namespace = "srcset", namespace
        case FilePath(ImageId(namespace), name) | OriginPath(namespace, _, _, name):
            trace.route, trace.namespace, trace.output = "output", namespace, shorten(name)
            extension = name.rpartition(".")[2]
            trace.extension = (
                extension if formats.writes_extension(extension) else None
            )  # a sink may keep a counter for each


def allow(request: Request, methods: tuple[str, ...]) -> None:
    """Raise MethodNotAllowedError unless the request has one of these methods."""
    method = request.method.decode("ascii", "backslashreplace")
    if method not in methods:
        raise MethodNotAllowedError(f"{shorten(method, 20)} does not work here: use {' or '.join(methods)}", methods)
