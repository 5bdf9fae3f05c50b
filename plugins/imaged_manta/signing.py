"""HTTP signatures (draft-cavage-http-signatures): each request carries its date, signed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from email.utils import formatdate
from threading import Lock

from .keys import Key


class Signer:
    """Signs the date with a key, once a second for all requests of that second. Any thread.

    Without a key it signs nothing: a compute zone's own Manta knows the zone. `identity` is `/account` or
    `/account/user`; `now` returns seconds since the epoch.
    """

    def __init__(self, key: Key | None, identity: str, roles: Sequence[str], now: Callable[[], float]) -> None:
        self._key = key
        self._identity = identity
        self._roles = {"Role": ",".join(roles)} if roles else {}
        self._now = now
        self._lock = Lock()
        self._last: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """Return the date, its signature and the roles. Blocks; raises StoreUnavailableError."""
        if self._key is None:
            return self._roles
        with self._lock:
            date = formatdate(self._now(), usegmt=True)
            if self._last.get("Date") != date:
                self._last = {"Date": date, "Authorization": self._authorization(self._key, date), **self._roles}
            return self._last

    def _authorization(self, key: Key, date: str) -> str:
        signature = key.sign(f"date: {date}".encode("ascii"))
        parameters = {
            "keyId": f"{self._identity}/keys/{signature.fingerprint}",
            "algorithm": signature.algorithm,
            "headers": "date",
            "signature": base64.b64encode(signature.value).decode("ascii"),
        }
        return "Signature " + ",".join(f'{name}="{value}"' for name, value in parameters.items())
