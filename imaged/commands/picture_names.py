"""The pictures that a command line names: by hashes, paths, URLs and cache tags."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from imaged.core.errors import MalformedRequestError, NotFoundError
from imaged.core.hashes import HASH_DIGITS, ImageHash, check_namespace, is_hash, shorten

_TAG = re.compile(r"([a-z0-9_]{1,64})-([0-9a-f]{32})")


def read_picture(text: str) -> tuple[str | None, ImageHash]:
    """Return the namespace, if the text has one, and the hash of a picture. Raises MalformedRequestError.

    >>> read_picture("https://a.example/p/f84/0ee/339d264d4bab1b169a653b1a91/w500.jpg?s=1")
    ('p', ImageHash(digits='f840ee339d264d4bab1b169a653b1a91'))
    """
    try:
        path = urlsplit(text).path if "://" in text else text.partition("?")[0].partition("#")[0]
    except ValueError as error:
        raise MalformedRequestError(f"{shorten(text)!r} is no URL") from error
    parts = [part for part in unquote(path).strip().split("/") if part]
    for first in range(len(parts)):
        if match := _TAG.fullmatch(parts[first]):
            return match[1], ImageHash(match[2])
        digits, place = "", first
        while place < len(parts) and len(digits) < HASH_DIGITS:
            digits += parts[place].lower()
            place += 1
        if is_hash(digits):
            return _namespace(parts[first - 1]) if first else None, ImageHash(digits)
    if any(part.startswith("@") for part in parts):
        raise MalformedRequestError(
            f"{shorten(text)!r} is the path of an origin: give the Cache-Tag of its answer, which curl -I shows"
        )
    raise MalformedRequestError(f"{shorten(text)!r} names no picture: give a hash, or a path or URL with it")


def _namespace(part: str) -> str | None:
    try:
        return check_namespace(part)
    except NotFoundError:
        return None
