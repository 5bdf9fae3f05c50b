"""The items of a batch, one picture each, read from lines and paths. No disk is touched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath

from imaged.core.errors import MalformedRequestError, NotFoundError
from imaged.core.hashes import HASH_DIGITS, ImageHash, ImageId, check_namespace, shorten

_HASH = re.compile(r"[0-9a-fA-F]{32}")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_ORIGINAL = re.compile(r"original(\.\w+)?")


@dataclass(frozen=True)
class Item:
    """One picture, as the input describes it. At least one of `hash`, `url` and `path` is given.

    `text` is the text of the input without further columns: it can be given as a line again.
    """

    text: str
    namespace: str
    hash: ImageHash | None = None
    url: str = ""
    path: str = ""

    @property
    def image(self) -> ImageId | None:
        """The image, where the input gives its hash."""
        return ImageId(self.namespace, self.hash) if self.hash else None

    @property
    def identity(self) -> str:
        """The identity of this item, in any order of the input: the image, else its source."""
        return str(self.image) if self.image else f"{self.namespace} {self.url or self.path}"


def read_line(line: str, namespace: str) -> Item:
    """Read one line of a list: a hash, a URL, or both in either order, or else the path of a picture.

    Tabs separate columns; a hash and a URL may be separated by spaces too. Further columns are ignored, so that the
    lines that a batch writes can be its input. Raises MalformedRequestError.
    """
    columns = line.strip("\r\n").split("\t")
    known = list(takewhile(_is_known, columns))
    words = " ".join(known).split()
    if not words:
        return read_path(columns[0].strip(), namespace)
    hashes = [word.lower() for word in words if _HASH.fullmatch(word)]
    urls = [word for word in words if not _HASH.fullmatch(word)]
    if len(hashes) > 1 or len(urls) > 1:
        raise MalformedRequestError(f"{shorten(line)!r} names more than one picture: give one hash, one URL, or both")
    text = "\t".join(filter(None, map(str.strip, known)))
    return Item(text, namespace, ImageHash(hashes[0]) if hashes else None, urls[0] if urls else "")


def _is_known(column: str) -> bool:
    return all(_HASH.fullmatch(word) or _URL.fullmatch(word) for word in column.split())


def read_path(path: str, namespace: str) -> Item:
    """Read the path of a picture; a path such as `…/p/f84/0ee/339…/original` gives namespace and hash."""
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
