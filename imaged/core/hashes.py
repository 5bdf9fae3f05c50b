"""Names of originals: the MD5 of the bytes, and the path segments that it is cut into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from imaged.core.errors import NotFoundError

HASH_DIGITS = 32
_HASH = re.compile(r"[0-9a-f]{32}")
_NAMESPACE = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, order=True)
class ImageHash:
    """The MD5 of an original: 32 lower-case hex digits."""

    digits: str

    def __post_init__(self) -> None:
        if not is_hash(self.digits):
            raise NotFoundError(f"{shorten(self.digits)!r} is not an image hash: give 32 lower-case hex digits")

    def __str__(self) -> str:
        return self.digits

    @classmethod
    def from_segments(cls, segments: Sequence[str]) -> ImageHash:
        """Read a hash from path segments, however its digits are cut.

        Raises NotFoundError when a segment is empty or the digits are not a hash.
        """
        if not all(segments):
            raise NotFoundError("an image hash has no empty path segments")
        return cls("".join(segments))

    def partition(self, sizes: Sequence[int]) -> str:
        """Cut the digits into path segments of the given `sizes`; the rest is the last segment.

        >>> ImageHash("f840ee339d264d4bab1b169a653b1a91").partition([3, 3])
        'f84/0ee/339d264d4bab1b169a653b1a91'
        """
        segments, start = [], 0
        for size in sizes:
            segments.append(self.digits[start : start + size])
            start += size
        return "/".join([*segments, self.digits[start:]])


def is_hash(digits: str) -> bool:
    """Return whether these are the digits of an ImageHash."""
    return _HASH.fullmatch(digits) is not None


def check_namespace(name: str) -> str:
    """Return `name` when it is a namespace (`[a-z0-9_]+`, 64 characters at most), else raise NotFoundError."""
    if not _NAMESPACE.fullmatch(name):
        raise NotFoundError(f"{shorten(name)!r} is not a namespace: use lower-case letters, digits and _")
    return name


@dataclass(frozen=True, order=True)
class ImageId:
    """One original: a hash within a namespace."""

    namespace: str
    hash: ImageHash

    def __post_init__(self) -> None:
        check_namespace(self.namespace)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.hash}"

    @property
    def cache_tag(self) -> str:
        """The tag of all answers of the image, for caches: 34 to 97 letters, digits, `_` and `-`.

        With a hyphen instead of a slash, it is a token (RFC 9110, 5.6.2).
        """
        return f"{self.namespace}-{self.hash}"


def shorten(text: str, limit: int = 80) -> str:
    """Return `text`, cut to `limit` characters, so that messages do not repeat a client's long text."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
