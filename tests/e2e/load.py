"""A steady load of clients that read and compare each answer and count each failure."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import select
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from daemon import Daemon
from tally import Tally

from imaged.testing.pictures import make_jpeg, make_png

PROMISED = ("x10.png", "w20.webp")
"""The outputs of each new picture."""

SELDOM = 40
"""One request in so many posts a new picture, and one requests a new output, unless the test says otherwise."""

PATIENCE_S = 60.0
KEPT = ("original", "x10.png", "w40.jpg", "full_size.webp")


@dataclass(frozen=True)
class Ask:
    """One request, and the check of the body of a successful answer."""

    method: str
    target: str
    fits: Callable[[bytes], bool]
    body: bytes | None = None


def stock(daemon: Daemon) -> list[Ask]:
    """Post a few pictures, request outputs, and return requests for all stored files."""
    asks = []
    for body in (make_jpeg(), make_png(), make_png(200, 300, comment="stock")):
        home = f"/p/{daemon.post('/p', body).json()['hash']}"
        files = {f"{home}/{name}": daemon.get(f"{home}/{name}").body for name in KEPT}
        asks += [Ask("GET", target, content.__eq__) for target, content in files.items()]
        info = daemon.get(f"{home}/info.json").json()
        asks.append(Ask("GET", f"{home}/info.json", partial(_same, info)))
    return asks


class Load:
    """Clients that send requests all the time: `kept` on persistent connections, `fresh` on a new connection each time.

    They choose among `asks`. With `news`, they also post new pictures with outputs; `posted` has the answers. A client
    never retries: each failure counts.
    """

    def __init__(
        self,
        public: str,
        asks: Sequence[Ask],
        *,
        kept: int = 12,
        fresh: int = 12,
        pause_s: float = 0.1,
        news: bool = True,
        seldom: int = SELDOM,
    ) -> None:
        self._asks = asks
        self._news = news
        self._seldom = seldom
        self._pause_s = pause_s
        self._addresses, self._current = [public], 0
        self._ending = threading.Event()
        self.tally = Tally()
        self.posted: list[dict[str, Any]] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number, number < kept), daemon=True)
            for number in range(kept + fresh)
        ]

    def __enter__(self) -> Self:
        """Start the clients."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop each client after an answer, and print the counts: `pytest -rP` shows them."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        sys.stdout.write(f"{self.tally}\n")

    def wait_for(self, answers: int = 100) -> None:
        """Wait until so many more requests have ended, successfully or not."""
        enough = self.tally.done + answers
        while self.tally.done < enough:
            assert any(thread.is_alive() for thread in self._threads)
            self._ending.wait(0.01)

    def moving(self, public: str) -> None:
        """Announce a new address: a client whose connection is refused tries the one that followed, once each.

        A client may learn of a refusal a second after the port has closed, and the address after the next is then
        announced, but not open.
        """
        self._addresses.append(public)

    def moved(self) -> None:
        """Switch to the new address."""
        self._current = len(self._addresses) - 1

    def _run(self, number: int, keeps: bool) -> None:  # noqa: FBT001  # the kind of client
        chance = random.Random(number)
        connection: http.client.HTTPConnection | None = None
        while not self._ending.wait(self._pause_s * chance.uniform(0.5, 1.5)):
            if connection and select.select([connection.sock], [], [], 0)[0]:
                self.tally.turn("dropped")
                connection.close()
                connection = None
            connection = connection or self._connect()
            if connection:
                ask = self._choose(chance)
                headers = {} if keeps or number % 2 else {"Connection": "close"}
                if not self._exchange(connection, ask, headers) or not keeps:
                    connection.close()
                    connection = None
        if connection:
            connection.close()

    def _choose(self, chance: random.Random) -> Ask:
        draw = chance.randrange(self._seldom) if self._news else self._seldom
        if draw == 0:
            body = make_png(comment=f"{random.getrandbits(64):x}")
            digits = hashlib.md5(body).hexdigest()
            return Ask("POST", f"/p?outputs={','.join(PROMISED)}", lambda got: json.loads(got)["hash"] == digits, body)
        ask = chance.choice(self._asks)
        if draw == 1:
            home = ask.target.rpartition("/")[0]
            return Ask("GET", f"{home}/w{chance.randint(1, 48)}-q{chance.randint(1, 99)}.png", _is_png)
        return ask

    def _connect(self) -> http.client.HTTPConnection | None:
        first = number = self._current
        while True:
            try:
                connection = _opened(self._addresses[number])
            except OSError as error:
                refused = isinstance(error, ConnectionRefusedError)
                if refused and number + 1 < len(self._addresses):
                    number += 1
                    continue
                self.tally.fail("refused" if refused else "unreachable", f"{self._addresses[number]}: {error!r}")
                return None
            if number > first:
                self.tally.turn("moved")
            return connection

    def _exchange(self, connection: http.client.HTTPConnection, ask: Ask, headers: Mapping[str, str]) -> bool:
        """Send one request and read its answer. Return whether the connection can be used again."""
        what = f"{ask.method} {ask.target} at {connection.port}"
        answered = False
        try:
            connection.request(ask.method, ask.target, ask.body, headers)
            response = connection.getresponse()
            answered = True
            body = response.read()
        except Exception as error:  # each kind of failure counts
            self.tally.fail("cut" if answered else _kind(error), f"{what}: {error!r}")
            return False
        self.tally.answer(response.status, f"{what}: {body[:200]!r}")
        if response.status < 400:
            if not ask.fits(body):
                self.tally.fail("wrong", f"{what}: {len(body)} bytes, {body[:200]!r}")
            elif ask.method == "POST":
                self.posted.append(json.loads(body))
        if response.will_close and not headers:
            self.tally.turn("closed")
        return not response.will_close


def _opened(public: str) -> http.client.HTTPConnection:
    url = urlsplit(public)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE_S)
    connection.connect()
    connection.auto_open = 0  # else it reconnects silently
    return connection


def _kind(error: Exception) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "eof"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    return "timeout" if isinstance(error, TimeoutError) else "garbled"


def _same(info: Mapping[str, Any], body: bytes) -> bool:
    """Compare two records, except for their lists of outputs, which grow."""
    return {**json.loads(body), "outputs": None} == {**info, "outputs": None}


def _is_png(body: bytes) -> bool:
    return body.startswith(b"\x89PNG") and body.endswith(b"IEND\xaeB`\x82")
