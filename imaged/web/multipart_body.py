"""Finds the picture in a `multipart/form-data` body (RFC 7578)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from imaged.core.errors import MalformedRequestError

MAXIMUM_PARTS = 100
"""How many fields a form may have; a picture needs one."""


def boundary_of(content_type: bytes) -> str | None:
    """Return the boundary of a multipart form, or None for any other body. Raises MalformedRequestError."""
    if not content_type.lower().startswith(b"multipart/form-data"):
        return None
    if b"\\" in content_type:  # no boundary has one (RFC 2046, 5.1.1), and multipart 1.2.0 takes for ever to read many
        raise MalformedRequestError(
            "the Content-Type of the multipart body has a backslash: let your HTTP client set it"
        )
    kind, options = parse_options_header(content_type.decode("latin-1"))
    if kind.lower() != "multipart/form-data":
        return None
    boundary = str(options.get("boundary", ""))
    if not boundary:
        raise MalformedRequestError("the multipart body has no boundary: let your HTTP client set the Content-Type")
    return boundary


def first_file(chunks: Iterable[bytes], boundary: str, parameters: Container[str] = ()) -> Iterator[bytes]:
    """Yield the bytes of the first part that has a file name.

    Raises MalformedRequestError when no part has one, when the form is broken, and for a field with the name of a query
    parameter, one of `parameters`, since it would have no effect.
    """
    found = False
    wanted = False
    try:
        with PushMultipartParser(boundary, max_segment_count=MAXIMUM_PARTS) as parser:
            for chunk in chunks:
                for event in parser.parse(chunk):
                    if isinstance(event, MultipartSegment):
                        if event.filename is None and event.name in parameters:
                            raise MalformedRequestError(
                                f"{event.name} is a field of the form: put it into the URL, as in /p?{event.name}=..."
                            )
                        wanted = not found and event.filename is not None
                        found = found or wanted
                    elif event is not None and wanted:
                        yield bytes(event)
    except MultipartError as error:
        raise MalformedRequestError(f"the multipart body is broken: {error}") from error
    if not found:
        raise MalformedRequestError("the multipart body has no file: send one as in curl -F image=@picture.jpg")
