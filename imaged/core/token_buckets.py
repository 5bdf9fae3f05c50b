"""Token buckets by client, in bounded memory."""

from __future__ import annotations

MOST_CLIENTS = 65_536
"""How many buckets are kept. Each takes 170 bytes."""

SAMPLE = 8
"""How many buckets are looked at to find one to forget."""

_ROUNDING_S = 1e-6


class TokenBuckets:
    """The buckets of all clients, each of which holds the tokens of `window_s` seconds, or one. One thread only.

    A bucket is one number: when it is full again. That is the generic cell rate algorithm (ITU-T I.371, annex A), whose
    theoretical arrival time it is. A bucket that is full is like one that is not kept.

    A new client beyond `most` replaces another one: of the next SAMPLE clients, that whose bucket is full first. To
    have the bucket of a client forgotten, an attacker needs `most` other clients with emptier buckets. An address that
    asks once has a fuller one than a client that is refused, and is forgotten instead.
    """

    def __init__(self, window_s: float, most: int = MOST_CLIENTS) -> None:
        self._window_s = window_s
        self._most = most
        self._per_s = 0.0
        self._full_at_s: dict[str, float] = {}
        self._places: list[str] = []
        self._next = 0

    def __len__(self) -> int:
        """Return how many buckets are kept."""
        return len(self._places)

    def take(self, client: str, per_s: float, tokens: int, now_s: float) -> float:
        """Take tokens and return 0.0, or return the seconds until the bucket has one, and take none.

        A bucket that has one token gives any number: it is in debt then, so that the client has to wait longer. When
        the rate `per_s` has changed, the number of tokens that each client has used up stays.
        """
        if per_s != self._per_s:
            self._change_rate(per_s, now_s)
        full_at_s = max(now_s, self._full_at_s.get(client, 0.0))
        wait_s = full_at_s - now_s - max(0.0, self._window_s - 1 / per_s)
        if wait_s > _ROUNDING_S:
            return wait_s
        if tokens:
            self._put(client, full_at_s + tokens / per_s)
        return 0.0

    def give_back(self, client: str, tokens: int) -> None:
        """Put tokens back that a client has not used."""
        if client in self._full_at_s:
            self._full_at_s[client] -= tokens / self._per_s

    def _change_rate(self, per_s: float, now_s: float) -> None:
        ratio, self._per_s = self._per_s / per_s, per_s
        used = {client: at_s for client, at_s in self._full_at_s.items() if at_s > now_s}
        self._full_at_s = {client: now_s + (at_s - now_s) * ratio for client, at_s in used.items()}
        self._places, self._next = list(used), 0

    def _put(self, client: str, full_at_s: float) -> None:
        if client not in self._full_at_s:
            if len(self._places) < self._most:
                self._places.append(client)
            else:
                self._replace(client)
        self._full_at_s[client] = full_at_s

    def _replace(self, client: str) -> None:
        sample = [(self._next + step) % self._most for step in range(min(SAMPLE, self._most))]
        self._next = (sample[-1] + 1) % self._most
        place = min(sample, key=lambda each: self._full_at_s[self._places[each]])
        del self._full_at_s[self._places[place]]
        self._places[place] = client
