"""HTTP signatures (draft-cavage-http-signatures): each request carries its date, signed."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from typing import Any, Protocol

from .keys import Key


class Signer(Protocol):
    """Makes the headers that authenticate a request."""

    async def headers(self) -> dict[str, str]:
        """Return the headers for a request that is sent now. Raises StoreUnavailableError."""


class NoSigner:
    """Signs nothing: a compute zone's own Manta knows the zone."""

    def __init__(self, roles: Sequence[str]) -> None:
        self._roles = _roles(roles)

    async def headers(self) -> dict[str, str]:
        """Return the header of the roles, if any."""
        return dict(self._roles)


class KeySigner:
    """Signs the date with a key, on a thread, once a second for all requests of that second.

    `identity` is `/account` or `/account/user`; `now` returns seconds since the epoch.
    """

    def __init__(
        self,
        key: Key,
        identity: str,
        roles: Sequence[str],
        now: Callable[[], float],
        run_in_thread: Callable[..., Awaitable[Any]],
    ) -> None:
        self._key = key
        self._identity = identity
        self._roles = _roles(roles)
        self._now = now
        self._run_in_thread = run_in_thread
        self._last: dict[str, str] = {}

    async def headers(self) -> dict[str, str]:
        """Return the date, its signature and the roles."""
        date = formatdate(self._now(), usegmt=True)
        if self._last.get("Date") != date:
            self._last = {"Date": date, "Authorization": await self._authorization(date), **self._roles}
        return dict(self._last)

    async def _authorization(self, date: str) -> str:
        signature = await self._run_in_thread(self._key.sign, f"date: {date}".encode("ascii"))
        parameters = {
            "keyId": f"{self._identity}/keys/{signature.fingerprint}",
            "algorithm": signature.algorithm,
            "headers": "date",
            "signature": base64.b64encode(signature.value).decode("ascii"),
        }
        return "Signature " + ",".join(f'{name}="{value}"' for name, value in parameters.items())


def _roles(roles: Sequence[str]) -> dict[str, str]:
    return {"Role": ",".join(roles)} if roles else {}
