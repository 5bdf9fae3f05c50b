"""POST: where an original comes from, and the outputs that are wanted of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from imaged.core.errors import MalformedRequestError
from imaged.core.hashes import ImageId
from imaged.core.pictures import ImageInfo
from imaged.pipeline.acquire import Acquire
from imaged.web.multipart_body import boundary_of, first_file
from imaged.web.requests import ImagedRequest

MAXIMUM_OUTPUTS = 100
"""How many outputs one request may ask for."""

_CHUNK_BYTES = 1 << 18


def asked_outputs(request: ImagedRequest) -> list[str]:
    """Return the names in `outputs=a,b`; the key may be given more than once.

    Raises MalformedRequestError when they are too many, or not text.
    """
    names = [name.strip() for value in _query(request, "outputs") for name in value.split(",") if name.strip()]
    if len(names) > MAXIMUM_OUTPUTS:
        raise MalformedRequestError(f"{len(names)} outputs are too many: ask for {MAXIMUM_OUTPUTS} at most")
    return names


async def acquire(request: ImagedRequest, namespace: str, originals: Acquire) -> tuple[ImageId, ImageInfo]:
    """Take the original that a POST brings or names, and keep it."""
    sources = _query(request, "source")
    body = _body(request)
    if not sources:
        return await originals.from_body(namespace, body)
    if len(sources) > 1:
        raise MalformedRequestError("more than one source: give one")
    if next(body, b""):
        raise MalformedRequestError("a source and a body: give one or the other")
    return await originals.from_source(namespace, sources[0])


def _query(request: ImagedRequest, key: str) -> list[str]:
    try:
        return [value.decode() for value in request.args.get(key.encode(), ())]
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"{key} is not UTF-8 text") from error


def _body(request: ImagedRequest) -> Iterator[bytes]:
    """Return the picture's bytes as chunks: the whole body, or the file within a multipart form."""
    boundary = boundary_of(request.content_type)
    file: Any = request.content  # Twisted sets it before a request is handled
    chunks = _chunks(file)
    return chunks if boundary is None else first_file(chunks, boundary)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    try:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
    except ValueError as error:  # Twisted closes the file of a client that has left
        raise MalformedRequestError("the client left before its picture had been read") from error
