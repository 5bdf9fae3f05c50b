"""What a batch is asked to do, one picture at a time: lines and paths, read into items. No disk is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from imaged.core.errors import MalformedRequestError, NotFoundError
from imaged.core.hashes import HASH_DIGITS, ImageHash, ImageId, check_namespace, shorten

_HASH = re.compile(r"[0-9a-fA-F]{32}")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_ORIGINAL = re.compile(r"original(\.\w+)?")


@dataclass(frozen=True)
class Item:
    """One picture: what the input says of it. At least one of `hash`, `url` and `path` is given.

    `text` is how the input put it, without a line's further columns: it can be given as a line again.
    """

    text: str
    namespace: str
    hash: ImageHash | None = None
    url: str = ""
    path: str = ""

    @property
    def image(self) -> ImageId | None:
        """The image, when its hash is known before its bytes are."""
        return ImageId(self.namespace, self.hash) if self.hash else None

    @property
    def identity(self) -> str:
        """What tells this item from all others, in any order of the input: the image, else where it comes from."""
        return str(self.image) if self.image else f"{self.namespace} {self.url or self.path}"


def read_line(line: str, namespace: str) -> Item:
    """Read one line of a list: a hash, a URL, or both in either order, or else the path of a picture.

    Columns are parted by tabs, a hash and a URL by spaces too. What follows them after a tab is left alone, so that
    lines that the batch itself has written can be given to it again. Raises MalformedRequestError.
    """
    columns = line.strip("\r\n").split("\t")
    words: list[str] = []
    known: list[str] = []
    for column in columns:
        found = column.split()
        if not all(_HASH.fullmatch(word) or _URL.fullmatch(word) for word in found):
            break
        known.append(column.strip())
        words += found
    if not words:
        return read_path(columns[0].strip(), namespace)
    hashes = [word.lower() for word in words if _HASH.fullmatch(word)]
    urls = [word for word in words if not _HASH.fullmatch(word)]
    if len(hashes) > 1 or len(urls) > 1:
        raise MalformedRequestError(f"{shorten(line)!r} names more than one picture: give one hash, one URL, or both")
    return Item(
        "\t".join(filter(None, known)), namespace, ImageHash(hashes[0]) if hashes else None, urls[0] if urls else ""
    )


def read_path(path: str, namespace: str) -> Item:
    """Read the path of a picture; one such as `…/p/f84/0ee/339…/original` tells namespace and hash by itself."""
    if not path:
        raise MalformedRequestError("a line needs a hash, a URL or a path")
    *folders, name = PurePath(path).parts or ("",)
    if _ORIGINAL.fullmatch(name):
        digits = ""
        while folders and len(digits) < HASH_DIGITS:
            digits = folders.pop() + digits
        try:
            found = ImageHash(digits)
        except NotFoundError:
            return Item(path, namespace, path=path)
        return Item(path, _namespace(folders) or namespace, found, path=path)
    return Item(path, namespace, path=path)


def _namespace(folders: list[str]) -> str | None:
    try:
        return check_namespace(folders[-1]) if folders else None
    except NotFoundError:
        return None
