"""The paths of originals at an origin: which ones a client may ask for, and how they are written in a URL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote, unquote_to_bytes

from imaged.core.errors import NotFoundError

LONGEST_PATH_BYTES = 1024  # the longest key of S3
MOST_CODINGS = 3
"""How often a segment may be percent-encoded: an origin that decodes it more than once sees no other path."""

_FORBIDDEN = re.compile(r"[/\\?\x00-\x1f\x7f]")
"""The characters that no segment has: separators of paths and URLs, and control characters."""

_DOTS = re.compile(r"[. ]*(?:;.*)?", re.DOTALL)
"""Segments that name no entry of a folder, on any server: some ignore blanks, or what follows a `;`."""


def read_origin_path(segments: Sequence[bytes]) -> str:
    """Return the path of an original, relative to its origin, by the segments of a URL, which are still encoded.

    Raises NotFoundError for a path that is no text, or that may leave the folder of the origin.
    """
    try:
        texts = [unquote_to_bytes(segment).decode() for segment in segments]
    except UnicodeDecodeError as error:
        raise NotFoundError("the path of the original is not UTF-8: percent-encode it as UTF-8") from error
    path = "/".join(texts)
    if len(path.encode()) > LONGEST_PATH_BYTES:
        raise NotFoundError(f"the path of the original is longer than {LONGEST_PATH_BYTES} bytes")
    if not texts or not all(map(_is_safe, texts)):
        raise NotFoundError("no such original: its path has an empty part, a dot part, or a character that none has")
    return path


def quote_origin_path(path: str) -> str:
    """Return a path as it is written in a URL: all but letters, digits, `-._~` and the slashes is percent-encoded.

    So `+` is no blank where an origin takes it for one, as S3 does.
    """
    return quote(path, safe="/")


def _is_safe(segment: str) -> bool:
    """Return whether a segment names one entry of a folder, however often an origin decodes it."""
    for _ in range(MOST_CODINGS):
        if _FORBIDDEN.search(segment) or _DOTS.fullmatch(segment):
            return False
        decoded = unquote(segment, "latin-1")
        if decoded == segment:
            return True
        segment = decoded
    return False
