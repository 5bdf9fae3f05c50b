"""Signatures of URLs: HMAC-SHA256 (RFC 2104) truncated to 128 bits, in base64url without padding (RFC 4648, 5).

What is signed is text: for a read the path, exactly as it stands in the request line, and `?e=TIME` where the URL
expires; for an upload `POST`, a space, the path, and its conditions. TIME is in seconds since the epoch.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence

SIGNATURE_BYTES = 16
"""128 bits cannot be guessed, and a URL stays short (RFC 2104, 5, asks for 80 bits at least)."""


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
    digest = hmac.digest(key.encode(), message.encode(), "sha256")
    return urlsafe_b64encode(digest[:SIGNATURE_BYTES]).rstrip(b"=").decode()


def verify(keys: Sequence[str], message: str, signature: str) -> bool:
    """Return whether one of the keys made a signature. The time that it takes says nothing about the right one."""
    given = signature.encode()
    matches = [hmac.compare_digest(sign(key, message).encode(), given) for key in keys]  # all keys, in any case
    return any(matches)
