"""Bearer tokens (RFC 6750): which of the configured ones a client sent, and what its bearer may do.

The time of a comparison says nothing about a configured token: digests are compared, in constant time, and all of them.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from imaged.core.access_request import Action

CHALLENGE = 'Bearer realm="imaged"'
"""The challenge of an answer to a request that has no token (RFC 6750, 3)."""

INVALID = f'{CHALLENGE}, error="invalid_token"'
INSUFFICIENT = f'{CHALLENGE}, error="insufficient_scope"'

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""The syntax of a token (RFC 6750, 2.1)."""


@dataclass(frozen=True)
class Token:
    """A configured token, by its SHA-256. It is for all `namespaces` if it lists none."""

    name: str
    digest: bytes = field(repr=False)
    namespaces: frozenset[str]
    actions: frozenset[Action]

    def allows(self, action: Action, namespace: str) -> bool:
        """Return whether its bearer may do this to pictures of this namespace."""
        return action in self.actions and (not self.namespaces or namespace in self.namespaces)


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return sha256(token.encode()).digest()


def is_token(text: str) -> bool:
    """Return whether a client can send a text as a token."""
    return _TOKEN.fullmatch(text) is not None


def bearer_token(authorization: str | None) -> str | None:
    """Return the token in an `Authorization` header, or None if there is none or the header has another scheme."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip(" ") or None if scheme.lower() == "bearer" else None


def find_token(tokens: Sequence[Token], given: str) -> Token | None:
    """Return the configured token that a client sent, or None."""
    digest = digest_of(given)
    found = None
    for token in tokens:  # all of them, in any case
        if hmac.compare_digest(token.digest, digest):
            found = token
    return found
