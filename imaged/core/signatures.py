"""Signatures of URLs: HMAC-SHA256 (RFC 2104) truncated to 128 bits, in base64url without padding (RFC 4648, 5).

What is signed is text: for a read the path, exactly as it stands in the request line, and `?e=TIME` where the URL
expires; for an upload `POST`, a space, the path, and its conditions. TIME is in seconds since the epoch.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache

SIGNATURE_BYTES = 16
"""128 bits cannot be guessed, and a URL stays short (RFC 2104, 5, asks for 80 bits at least)."""

_PADDING = "=="  # of 16 bytes (RFC 4648, 4)


def read_message(path: str, expires: str | None = None) -> str:
    """Return what the signature of a URL that reads is made of."""
    return path if expires is None else f"{path}?e={expires}"


def upload_message(path: str, expires: str | None = None, maximum_bytes: str | None = None) -> str:
    """Return what the signature of a URL that uploads is made of."""
    fields = [("e", expires), ("maximum_bytes", maximum_bytes)]
    query = "&".join(f"{key}={value}" for key, value in fields if value is not None)
    return f"POST {path}?{query}" if query else f"POST {path}"


def sign(key: str, message: str) -> str:
    """Return the signature of a message."""
    code = _begun(key).copy()
    code.update(message.encode())
    return urlsafe_b64encode(code.digest()[:SIGNATURE_BYTES]).rstrip(b"=").decode()


@lru_cache(maxsize=64)
def _begun(key: str) -> hmac.HMAC:
    """Return the code of a key without a message: to copy it takes less than half of the time of beginning again."""
    return hmac.new(key.encode(), digestmod="sha256")


def signed_path(key: str, path: str, expires: str | None = None) -> str:
    """Return a path with the signature that lets clients read it, until the time of expiry if there is one."""
    end = "" if expires is None else f"&e={expires}"
    return f"{path}?s={sign(key, read_message(path, expires))}{end}"


def signed_upload(key: str, path: str, expires: str, maximum_bytes: str | None = None) -> str:
    """Return a path with the signature that lets clients post to it until the time of expiry."""
    most = "" if maximum_bytes is None else f"&maximum_bytes={maximum_bytes}"
    return f"{path}?e={expires}{most}&s={sign(key, upload_message(path, expires, maximum_bytes))}"


def verify(keys: Sequence[str], message: str, signature: str) -> bool:
    """Return whether one of the keys made a signature. The time that it takes says nothing about the right one.

    Signers that keep the padding of base64url are right, too.
    """
    given = signature.removesuffix(_PADDING).encode()
    matches = [hmac.compare_digest(sign(key, message).encode(), given) for key in keys]  # all keys, in any case
    return any(matches)
