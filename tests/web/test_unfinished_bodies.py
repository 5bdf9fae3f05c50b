"""Unfinished bodies: their memory is bounded, their bytes are on the disk of the store, and the oldest is evicted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from memory_port import Port
from origin_server import origin
from service_case import HASH, PICTURE, ServiceTestCase, other_picture, until

from imaged.fetch.budget import FULL_ORIGINALS, SLOW_AFTER_S
from imaged.web.bodies import MEMORY_BYTES
from imaged.web.requests import IDLE_S, SLOWEST_BYTES

LARGE = PICTURE + os.urandom(200_000)
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
MOST = 100_000


def nameless(folder: Path) -> int:
    """Return the number of unnamed files that this process has open below `folder`."""
    open_files = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(name.startswith(str(folder)) and name.endswith(" (deleted)") for name in open_files)


class TestBodies(ServiceTestCase):
    """A daemon with many unfinished posts."""

    async def test_a_large_body_needs_no_temporary_folder(self) -> None:
        """It is an unnamed file on the disk of the store until its request ends; a small one is in memory."""
        await self.serve()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", "/nowhere")
            connection = await self.begin("POST", "/p", LARGE[:-1], Content_Length=str(len(LARGE)))
            small = await self.begin("POST", "/p", PICTURE[:9], Content_Length=str(len(LARGE)))
            await until(lambda: self.service.environment.counters.incoming.used_bytes == len(LARGE) - 1 + 9)
            assert nameless(self.folder / "public") == 1
            assert not any((self.folder / "public" / ".incoming").rglob("*-*"))
            connection.send(LARGE[-1:])
            assert (await connection.answer()).json()["size"] == len(LARGE)
            small.leave()
        await until(lambda: self.service.environment.counters.incoming.used_bytes == 0)
        assert nameless(self.folder / "public") == 0

    async def test_a_body_refused_midway_holds_nothing(self) -> None:
        """A refused body holds nothing, though its client still sends."""
        await self.serve(sources={"maximum_bytes": MOST})
        connection = await self.begin("POST", "/p", b"186a1\r\n" + bytes(MOST + 1), Transfer_Encoding="chunked")
        await until(lambda: b" 413 " in connection.received)
        assert self.service.environment.counters.incoming.used_bytes == 0
        connection.leave()

    async def test_fetches_and_bodies_share_their_bound(self) -> None:
        """Posts and downloads without room are refused before their bytes; reading files still works."""
        await self.serve(sources={"maximum_bytes": MOST})
        await self.post()
        budget = self.service.environment.counters.incoming
        halves = [
            await self.begin("POST", "/p", bytes(MOST - 1), Content_Length=str(MOST)) for _ in range(FULL_ORIGINALS)
        ]
        await until(lambda: budget.used_bytes == FULL_ORIGINALS * (MOST - 1))
        connection = await self.begin("POST", "/p", Expect="100-continue", Content_Length="21")
        refused = await connection.answer()
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        async with origin(other_picture()) as source:
            assert (await self.ask("POST", f"/p?source={source.url}")).status == 503
        assert (await self.get(f"/p/{HASH}/original")).body == PICTURE
        for each in halves:
            each.leave()
        await until(lambda: budget.used_bytes == 0)
        assert (await self.post(body=other_picture())).status == 200


def test_an_old_half_makes_room_for_a_new_body() -> None:
    """The oldest gets 503, and its further bytes are discarded."""
    port = Port(maximum_bytes=MOST)
    halves = [port.connect() for _ in range(FULL_ORIGINALS)]
    for each in halves:
        each.send(POST % MOST + bytes(MOST - 1))
    refused = port.connect()
    refused.send(POST % MOST)
    assert refused.received.startswith(b"HTTP/1.1 503 ")
    port.clock.advance(SLOW_AFTER_S)
    new = port.connect()
    new.send(POST % MOST + bytes(MOST))
    assert len(port.asked) == 1
    assert [b" 503 " in each.received for each in halves] == [True] + [False] * (FULL_ORIGINALS - 1)
    halves[0].send(b"x" * 10)
    halves[1].send(b"x")
    assert len(port.asked) == 2
    for each in (*halves, refused, new):
        each.leave()
    assert port.budget.used_bytes == 0


def test_a_body_that_came_quickly_and_then_trickles_is_hung_up_on() -> None:
    """Each minute counts by itself."""
    port = Port(maximum_bytes=MOST * 1000)
    client, steady = port.connect(), port.connect()
    client.send(POST % (MOST * 100) + bytes(MOST * 90))
    steady.send(POST % (MOST * 100))
    for _ in range(5):
        port.clock.advance(IDLE_S / 2 + 1)
        client.send(b"a")
        steady.send(bytes(int(SLOWEST_BYTES * (IDLE_S / 2 + 2))))
    assert client.aborted
    assert not steady.aborted
    client.leave()
    steady.leave()
    assert port.budget.used_bytes == 0


@pytest.mark.parametrize("begun", [b"", b"1;", b"1\r\na\r\n0\r\nX: "])
def test_a_chunked_body_that_trickles_is_hung_up_on(begun: bytes) -> None:
    """Also within the size of a chunk, an extension or a trailer, which are no bytes of the body."""
    port = Port(maximum_bytes=MOST)
    client = port.connect()
    client.send(b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + begun)
    for _ in range(2):
        assert not client.aborted
        port.clock.advance(IDLE_S / 2 + 1)
        client.send(b"0")
    assert client.aborted
    client.leave()
    assert port.asked == []


@pytest.mark.parametrize("size_bytes", [1, MEMORY_BYTES, MEMORY_BYTES + 1, MOST])
def test_a_body_has_the_bytes_that_were_sent(size_bytes: int) -> None:
    """Small and large bodies arrive intact, in any chunks."""
    sent = os.urandom(size_bytes)
    got: list[bytes] = []

    def keep(request: Any) -> None:
        got.append(request.content.read())

    port = Port(maximum_bytes=MOST, answer=keep)
    for step in (size_bytes, 10_000):
        client = port.connect()
        client.send(POST % size_bytes)
        for at in range(0, size_bytes, step):
            client.send(sent[at : at + step])
        port.asked[-1].callback(None)
        client.leave()
    assert got == [sent, sent]
