"""Reads a POST: the original, in its body or by URL, and the names of the outputs that the client wants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO

from twisted.web.http import Request

from imaged.core.access_request import GUARD_PARAMETERS
from imaged.core.errors import ForbiddenError, MalformedRequestError, NotAPictureError
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.pipeline.ingest import Ingest
from imaged.web.guards import guard_parameters
from imaged.web.multipart_body import boundary_of, first_file
from imaged.web.parameters import read_parameters
from imaged.web.requests import ImagedRequest

MAXIMUM_OUTPUTS = 100
"""How many outputs one request may ask for."""

POST_PARAMETERS = ("source", "outputs")
PROCESS_PARAMETERS = ("outputs",)

_CHUNK_BYTES = 1 << 18
_FORM = b"application/x-www-form-urlencoded"
_FIELDS = re.compile(rb"[A-Za-z0-9_.%+\[\]-]{1,64}=")
"""The first bytes of a form. No picture that imaged reads begins with them."""
_DROPPED = re.compile(rb"[\r\n\0]")
"""The bytes that `curl -d @FILE` drops. `--data-binary` keeps them, with the same Content-Type."""

_HOW = (
    "send a picture as the body, as in curl --data-binary @picture.jpg URL, or as a file of a multipart form, or its "
    "address as the parameter source, percent-encoded"
)


def read_post(request: Request) -> Mapping[str, str]:
    """Return the parameters of a post, without those of a signed URL.

    Raises ForbiddenError for a signed URL with a source: its signature is for a picture that the client has, not for
    requests of this server to others.
    """
    parameters = read_parameters(request, POST_PARAMETERS, GUARD_PARAMETERS)
    if "source" in parameters and guard_parameters(request.uri):
        raise ForbiddenError("a signed upload URL takes a picture as the body, and no source: send the bytes")
    return parameters


def asked_outputs(parameters: Mapping[str, str]) -> list[str]:
    """Return the names in `outputs=a,b`, without empty ones. Raises MalformedRequestError for too many."""
    names = [name.strip() for name in parameters.get("outputs", "").split(",") if name.strip()]
    if len(names) > MAXIMUM_OUTPUTS:
        raise MalformedRequestError(f"{len(names)} outputs are too many: ask for {MAXIMUM_OUTPUTS} at most")
    return names


async def ingest(request: ImagedRequest, namespace: str, originals: Ingest) -> tuple[ImageId, ImageInfo]:
    """Ingest the original in the body of a POST, or at the URL in its parameter source."""
    source = read_post(request).get("source")
    body = _body(request)
    if source is None:
        try:
            return await originals.from_body(namespace, _looked_at(body, request.content_type))
        except NotAPictureError as error:
            if not _came_through_curl_d(request):
                raise
            raise NotAPictureError(
                f"{error}; if curl -d sent it, it dropped the line ends of the file: use --data-binary @FILE"
            ) from error
    if next(body, b""):
        raise MalformedRequestError("the request has a source and a body: send one or the other")
    if not source.strip():
        raise MalformedRequestError(f"the parameter source is empty: {_HOW}")
    return await originals.from_source(namespace, source)


def _looked_at(chunks: Iterator[bytes], content_type: bytes) -> Iterator[bytes]:
    """Yield the chunks of a picture. Raises MalformedRequestError for an empty body and for form fields."""
    first = next(chunks, b"")
    if not first:
        raise MalformedRequestError(f"the request has no picture: {_HOW}")
    if _is_form(content_type) and _FIELDS.match(first):
        raise MalformedRequestError(f"the body is a form with fields, not a picture: {_HOW}")
    yield from chain([first], chunks)


def _came_through_curl_d(request: ImagedRequest) -> bool:
    """Return whether `curl -d @FILE` may have sent the body: as a form, without the bytes that curl drops."""
    file: Any = request.content
    try:
        file.seek(0)
        return _is_form(request.content_type) and not _DROPPED.search(file.read(_CHUNK_BYTES))
    except ValueError:  # the file is closed: the client has left
        return False


def _is_form(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == _FORM


def _body(request: ImagedRequest) -> Iterator[bytes]:
    """Return the bytes of the picture in chunks: the whole body, or the file in a multipart form."""
    boundary = boundary_of(request.content_type)
    file: Any = request.content  # Twisted sets it before a request is handled
    chunks = _chunks(file)
    return chunks if boundary is None else first_file(chunks, boundary, POST_PARAMETERS)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    try:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
    except ValueError as error:  # Twisted closes the file of a client that has left
        raise MalformedRequestError("the client left before its picture was read") from error
