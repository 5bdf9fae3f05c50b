"""Clients of every kind: they post, get, ask, send what is broken, and leave. Each answer is checked."""

from __future__ import annotations

import http.client
import io
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from daemon import Answer, Daemon, request
from PIL import Image, ImageDraw
from tally import Tally

from imaged.testing.pictures import make_gif, make_png

CLIENTS = 8
PAUSE_S = 0.04
KEPT = 200
"""How many of the newest pictures the clients ask for."""

QUEUED = "x30.webp,w40.jpg"
SIZES = ((48, 32), (400, 300), (1200, 900))

Status = frozenset[int]
FINE = frozenset({200, 206, 304})
REFUSED = frozenset({503})
"""A daemon with too much to do may refuse any request that costs work."""

KINDS = 10
"""How many kinds of requests there are."""


class MixedTraffic:
    """Clients that send requests until the end, each of the KINDS first. `kinds` counts requests, `tally` answers."""

    def __init__(self, daemon: Daemon, clients: int) -> None:
        self._daemon = daemon
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._homes: list[str] = []
        self.tally = Tally()
        self.kinds: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._run, args=(random.Random(each),)) for each in range(clients)]

    def __enter__(self) -> Self:
        """Start the clients."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop each client after an answer."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    @property
    def faults(self) -> list[str]:
        """Return what no client should have seen."""
        return [f"{count} {kind}" for kind, count in self.tally.failures.items()]

    def _run(self, chance: random.Random) -> None:
        kinds: dict[Callable[[random.Random], None], int] = {
            self._post: 10,
            self._post_broken: 8,
            self._get_stored: 30,
            self._get_new: 15,
            self._ask_for_parts: 12,
            self._process: 3,
            self._ask_for_nothing: 4,
            self._look_at_status: 4,
            self._leave_while_posting: 5,
            self._leave_while_waiting: 5,
        }
        self._post(chance)
        first = chance.sample(list(kinds), len(kinds))
        while not self._ending.wait(PAUSE_S * chance.uniform(0.5, 1.5)):
            (kind,) = [first.pop()] if first else chance.choices(list(kinds), list(kinds.values()))
            with self._lock:
                self.kinds[kind.__name__.strip("_").replace("_", " ")] += 1
            try:
                kind(chance)
            except (OSError, http.client.HTTPException) as error:
                self.tally.fail(type(error).__name__, f"{kind.__name__}: {error!r}")

    def _home(self, chance: random.Random) -> str:
        with self._lock:
            return chance.choice(self._homes)

    def _expect(self, statuses: Status, method: str, target: str, body: bytes | None = None, **named: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        return self._check(request(self._daemon.public, method, target, body, headers), statuses, f"{method} {target}")

    def _check(self, answer: Answer, statuses: Status, what: str) -> Answer:
        if answer.status in statuses:
            self.tally.expected(answer.status)
        else:
            self.tally.fail(f"unexpected {answer.status}", f"{what}: {answer.body[:300]!r}")
        return answer

    def _post(self, chance: random.Random) -> None:
        answer = self._expect(FINE | REFUSED, "POST", f"/p?outputs={QUEUED}", picture(chance))
        if answer.status == 200:
            with self._lock:
                self._homes = [*self._homes[-KEPT:], f"/p/{answer.json()['hash']}"]

    def _post_broken(self, chance: random.Random) -> None:
        body = bytearray(picture(chance))
        match chance.randrange(4):
            case 0:
                body = body[: chance.randrange(1, len(body))]
            case 1:
                body = bytearray(chance.randbytes(2000))
            case 2:
                body[16:24] = b"\x00\x00\xff\xff" * 2  # a PNG of 65,535 x 65,535; nothing in a JPEG
            case _:
                for _ in range(20):
                    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        self._expect(FINE | {413, 415} | REFUSED, "POST", "/p", bytes(body))

    def _get_stored(self, chance: random.Random) -> None:
        name = chance.choice(["original", "info.json", "w40.jpg", "x30.webp"])
        self._expect(FINE | REFUSED, "GET", f"{self._home(chance)}/{name}")

    def _get_new(self, chance: random.Random) -> None:
        self._expect(FINE | REFUSED, "GET", new_output(self._home(chance), chance))

    def _ask_for_parts(self, chance: random.Random) -> None:
        target = f"{self._home(chance)}/original"
        match chance.randrange(3):
            case 0:
                self._expect(FINE, "HEAD", target)
            case 1:
                self._expect(FINE, "GET", target, Range="bytes=10-200")
            case _:
                tag = self._expect(FINE, "HEAD", target).headers.get("etag", "")
                self._expect(frozenset({304}), "GET", target, If_None_Match=tag)

    def _process(self, chance: random.Random) -> None:
        home = self._home(chance)
        names = ",".join(new_output(home, chance).rpartition("/")[2] for _ in range(3))
        self._expect(FINE | REFUSED, "POST", f"{home}/process?outputs={names}", b"")

    def _ask_for_nothing(self, chance: random.Random) -> None:
        target = chance.choice([f"/p/{'0' * 32}/w10.jpg", "/none", f"{self._home(chance)}/w10.tiff", "/p/x/w1.jpg"])
        self._expect(frozenset({404, 405, 406}), "GET", target)

    def _look_at_status(self, chance: random.Random) -> None:
        target = chance.choice(["/", "/status.json"])
        self._check(request(self._daemon.private, "GET", target), FINE, target)
        self._expect(FINE, "GET", "/status_check")

    def _leave_while_posting(self, chance: random.Random) -> None:
        body = picture(chance)
        head = f"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self._send(head + body[: chance.randrange(len(body))])

    def _leave_while_waiting(self, chance: random.Random) -> None:
        self._send(f"GET {new_output(self._home(chance), chance)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def _send(self, data: bytes) -> None:
        """Send bytes, and leave without reading an answer."""
        url = urlsplit(self._daemon.public)
        with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as connection:
            connection.sendall(data)


def new_output(home: str, chance: random.Random) -> str:
    """Return the target of an output that is probably new."""
    kind = chance.choice(["jpg", "png", "webp", "gif"])
    return f"{home}/w{chance.randrange(1, 600)}-q{chance.randrange(1, 100)}.{kind}"


def picture(chance: random.Random) -> bytes:
    """Return a good picture of a few kilobytes to a megabyte, whose hash is new."""
    comment = f"{chance.getrandbits(64):x}"
    match chance.randrange(8):
        case 0:
            return make_png(comment=comment)
        case 1:
            return make_gif(frames=chance.randrange(1, 20)) + b";" + comment.encode()
        case _:
            width, height = chance.choices(SIZES, (3, 4, 1))[0]
            return photograph(width, height, chance.choice(["JPEG", "PNG", "WEBP"])) + comment.encode()


@cache
def photograph(width: int, height: int, format: str) -> bytes:
    """Return a noisy picture. Decoders ignore what a test appends to it."""
    image = Image.effect_noise((width, height), 40).convert("RGB")
    ImageDraw.Draw(image).ellipse((10, 10, width // 2, height // 2), fill=(200, 40, 30))
    body = io.BytesIO()
    image.save(body, format, quality=85)
    return body.getvalue()
