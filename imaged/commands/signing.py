"""Signs paths with the first key of the settings, after checking that they are paths of pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from imaged.config.model import Settings
from imaged.core.errors import MalformedRequestError, NotFoundError
from imaged.core.files import ImageFile, parse_file
from imaged.core.hashes import ImageHash, check_namespace, shorten
from imaged.core.outputs import Output
from imaged.core.signatures import signed_path, signed_upload

NO_KEY = "access.signing_keys has no key: make one with openssl rand -hex 32 > signing.key, and add {file: signing.key}"

_TARGET = re.compile(r"(?P<base>https?://[^/?#\s]+)?(?P<path>/[!-~]*)")
_HASH = re.compile(r"[0-9a-f]{32}")
_SRCSET = "srcset"


def sign_upload(settings: Settings, namespace: str, expires: str, maximum_bytes: int | None, base_url: str = "") -> str:
    """Return a URL to which clients without a token may post, behind `base_url`.

    `expires` is the time of expiry in seconds since the epoch; `maximum_bytes` bounds the body. Raises
    MalformedRequestError when there is no key, NotFoundError for what is no namespace.
    """
    path, keys = f"/{check_namespace(namespace)}", settings.access.signing_keys
    if not keys:
        raise MalformedRequestError(NO_KEY)
    most = None if maximum_bytes is None else str(maximum_bytes)
    return base_url.rstrip("/") + signed_upload(keys[0], path, expires, most)


@dataclass(frozen=True)
class PathSigner:
    """Signs paths. `expires` is the time of expiry in seconds since the epoch, or None for no expiry."""

    settings: Settings
    expires: str | None

    def sign(self, target: str, base_url: str = "") -> tuple[str, bool]:
        """Return a path behind `base_url`, or a whole URL, with its signature, and whether it needs none.

        Raises NotFoundError for what no output has as its path, PolicyError for an output that is not allowed, and
        MalformedRequestError for other text, or when there is no key.
        """
        match = _TARGET.fullmatch(target)
        if "?" in target or "#" in target:
            raise MalformedRequestError(f"{shorten(target)!r} has a query or a fragment: give the path alone")
        if match is None:
            raise MalformedRequestError(
                f"{shorten(target)!r} is no path: give one such as /p/f84/0ee/339d264d4bab1b169a653b1a91/w500.jpg"
            )
        if match["base"] and base_url:
            raise MalformedRequestError(f"{shorten(target)!r} is a whole URL: leave out --url")
        path, keys = match["path"], self.settings.access.signing_keys
        is_public = self._is_public(path)
        if not keys:
            raise MalformedRequestError(NO_KEY)
        base_url = match["base"] or base_url.rstrip("/")
        return base_url + signed_path(keys[0], path, self.expires), is_public

    def _is_public(self, path: str) -> bool:
        namespace, *between, name = path[1:].split("/")
        policy = self.settings.policy(check_namespace(namespace))
        if not between or _HASH.fullmatch("".join([*between, name])):
            raise NotFoundError(f"{shorten(path)!r} is no path of an output: give /NAMESPACE/HASH/OUTPUT")
        if not between[0].startswith("@"):  # else the picture of an origin, at any path
            ImageHash.from_segments(between)
        file: ImageFile | None = None if name == _SRCSET else parse_file(name)
        if isinstance(file, Output):
            policy.check(file)
        return policy.is_public(file)
