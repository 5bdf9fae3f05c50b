"""The clients of a port: their addresses, and what they may ask for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from twisted.logger import Logger

from imaged.config.access import LimitsSettings
from imaged.core.client_addresses import TrustedProxies
from imaged.core.clients import CONNECTIONS, POSTS, RENDERS, REQUESTS, Charge, client_key
from imaged.core.errors import TooManyRequestsError
from imaged.core.token_buckets import TokenBuckets

WARN_EVERY_S = 60.0
"""How often a limit has a line in the log."""

BUSY_S = 5.0
"""A client that was quiet may send the requests of so many seconds at once: a page asks for all its pictures."""

_log = Logger(namespace="imaged.limits")


@dataclass(frozen=True)
class Limit:
    """A limit of what clients ask for: the key of its setting, what it counts, and in how many seconds."""

    key: str
    counted: str
    period_s: float
    buckets: TokenBuckets


class Clients:
    """The clients of one port, across generations: `settings` returns the current limits. Reactor thread only.

    A client is what `client_key` says. `refused` counts refusals by the key of the limit.
    """

    def __init__(
        self, settings: Callable[[], LimitsSettings], seconds: Callable[[], float], refused: Counter[str] | None = None
    ) -> None:
        self._settings, self._seconds = settings, seconds
        self._refused = Counter[str]() if refused is None else refused
        self._listed: object = None
        self._proxies = TrustedProxies()
        self._requests = Limit(REQUESTS, "requests", 1.0, TokenBuckets(BUSY_S))
        self._posts = Limit(POSTS, "pictures", 60.0, TokenBuckets(60.0))
        self._renders = Limit(RENDERS, "new outputs", 60.0, TokenBuckets(60.0))
        self._fetches = Limit(RENDERS, "fetches of originals", 60.0, TokenBuckets(60.0))
        self._open: Counter[str] = Counter()
        self._warned_s: dict[str, float] = {}

    @property
    def proxies(self) -> TrustedProxies:
        """The proxies that the current settings trust."""
        listed = self._settings().trusted_proxies
        if listed is not self._listed:
            self._listed, self._proxies = listed, TrustedProxies(listed)
        return self._proxies

    def sends_header(self, peer: str) -> bool:
        """Return whether a connection of `peer` has to begin with a PROXY header."""
        return self._settings().proxy_protocol and self.proxies.trusts(peer)

    def warn_of_header(self, peer: str) -> None:
        """Log that a connection of a trusted proxy has no PROXY header, once in WARN_EVERY_S."""
        if self._may_warn("proxy_protocol"):
            _log.warn(
                "refused a connection of the trusted proxy {peer}, which does not begin with a PROXY header: let the "
                "proxy send it, or set limits.proxy_protocol: false",
                peer=peer,
            )

    def check_request(self, address: str) -> None:
        """Count a request. Raises TooManyRequestsError."""
        self._take(self._requests, self._settings().requests_per_s, address, 1)

    def check_post(self, address: str) -> None:
        """Count a post. Raises TooManyRequestsError."""
        self._take(self._posts, self._settings().posts_per_minute, address, 1)

    def charge(self, address: str) -> Charge:
        """Return what counts the new outputs and the fetches of a client.

        Each has a bucket of its own, with the same limit: pictures that are not there use up no new outputs.
        """
        return Charge(partial(self._charge, address), partial(self._fetch, address))

    def connect(self, peer: str) -> str | None:
        """Count a new connection; return the client to `disconnect`, or None for a proxy, which has many clients.

        Raises TooManyRequestsError.
        """
        if self.proxies.trusts(peer):
            return None
        client, most = client_key(peer), self._settings().connections
        if most and self._open[client] >= most:
            raise self._refusal(CONNECTIONS, client, f"{most} connections are open: close one", 1.0)
        self._open[client] += 1
        return client

    def disconnect(self, client: str) -> None:
        """Count one connection less."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    def _charge(self, address: str, outputs: int) -> None:
        most = self._settings().renders_per_minute
        if outputs >= 0:
            self._take(self._renders, most, address, outputs)
        elif most:
            self._renders.buckets.give_back(client_key(address), -outputs)

    def _fetch(self, address: str) -> None:
        self._take(self._fetches, self._settings().renders_per_minute, address, 1)

    def _take(self, limit: Limit, most: float, address: str, tokens: int) -> None:
        if not most:
            return
        client = client_key(address)
        wait_s = limit.buckets.take(client, most / limit.period_s, tokens, self._seconds())
        if wait_s:
            per = "second" if limit.period_s == 1 else "minute"
            raise self._refusal(limit.key, client, f"{most:g} {limit.counted} a {per} are allowed", wait_s)

    def _refusal(self, key: str, client: str, rule: str, wait_s: float) -> TooManyRequestsError:
        self._refused[key] += 1
        if self._may_warn(key):
            _log.warn(
                "limits.{key} refuses {client} (refusals so far: {count}); if that is a proxy of yours, list it in "
                "limits.trusted_proxies",
                key=key,
                client=client,
                count=self._refused[key],
            )
        seconds = max(1, math.ceil(wait_s))
        return TooManyRequestsError(f"this client asks for too much: {rule}; retry in {seconds} s", seconds)

    def _may_warn(self, key: str) -> bool:
        now_s = self._seconds()
        if now_s - self._warned_s.get(key, -math.inf) < WARN_EVERY_S:
            return False
        self._warned_s[key] = now_s
        return True
