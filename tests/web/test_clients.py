"""Slow clients, and clients that disconnect."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

from origin_server import origin
from raw_client import begin, pause
from real_reactor import reactor
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, until

from imaged.core.errors import BusyError
from imaged.core.files import RECORD, parse_file
from imaged.store.disk import OpenFile
from imaged.web.bodies import Body
from imaged.web.connections import Connections
from imaged.web.factory import ImagedFactory
from imaged.web.files import send_file
from imaged.web.request_log import StatusRequestLog
from imaged.web.requests import ImagedRequest, Site

LARGE = PICTURE + os.urandom(20_000_000)
LARGE_PATH = f"/p/{hashlib.md5(LARGE).hexdigest()}/original"


def refuse_body(announced_bytes: int, give_up: object) -> Body:
    """Refuse every body."""
    raise BusyError(f"{announced_bytes} bytes are too many for {give_up}")


def open_files(folder: Path) -> list[str]:
    """Return the files of images below `folder` that this process has open."""
    found = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    return [path for path in found if path.startswith(str(folder / "public" / "p"))]


class TestSlowReaders(ServiceTestCase):
    """Clients that read slowly."""

    async def test_a_file_is_read_at_the_pace_of_its_reader(self) -> None:
        """A client that does not read costs one chunk of memory and an open file."""
        await self.serve()
        await self.post(body=LARGE)
        tracemalloc.start()
        try:
            connection = await self.begin("GET", LARGE_PATH)
            await until(lambda: connection.received)
            connection.transport.pauseProducing()
            await pause(0.2)
            heard_bytes = len(connection.received)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes - 3 * heard_bytes < 4_000_000
        assert len(open_files(self.folder)) == 1
        connection.transport.resumeProducing()
        assert (await connection.answer()).body == LARGE
        await until(lambda: not open_files(self.folder))

    async def test_a_reader_who_leaves_closes_its_file(self) -> None:
        """A disconnect at any point closes the file."""
        await self.serve()
        await self.post(body=LARGE)
        for _ in range(3):
            connection = await self.begin("GET", LARGE_PATH)
            await until(lambda: connection.received)  # noqa: B023  # awaited in this turn of the loop
            connection.leave()
        await until(lambda: not open_files(self.folder))

    async def test_conditions_and_refusals_close_the_file(self) -> None:
        """Answers without the file's bytes close it."""
        await self.serve()
        await self.post()
        for headers in ({"if_none_match": "*"}, {"if_match": '"a"'}, {"range": "bytes=999-"}, {"range": "bytes=0-1"}):
            await self.get(f"{HOME}/original", **headers)
        await self.ask("HEAD", f"{HOME}/original")
        assert open_files(self.folder) == []


class TestBrokenFiles(ServiceTestCase):
    """Stored files that cannot be read to the end."""

    async def test_a_file_that_has_become_shorter_breaks_its_answer_off(self) -> None:
        """The daemon aborts the answer and counts it as its own failure."""
        await self.serve()
        await self.post(body=LARGE)
        connection = await self.begin("GET", LARGE_PATH, connection="keep-alive")
        await until(lambda: connection.received)
        connection.transport.pauseProducing()
        await until(lambda: open_files(self.folder))
        os.truncate(open_files(self.folder)[0], 1_000_000)
        connection.transport.resumeProducing()
        await connection.ended
        assert connection.received.startswith(b"HTTP/1.1 200 OK")
        assert len(connection.received) < len(LARGE)
        assert open_files(self.folder) == []
        status = await self.status()
        assert (status["requests"]["failed"], status["requests"]["left"], status["requests"]["current"]) == (1, 0, 0)
        (error,) = status["errors"]
        assert (error["status"], error["request"]) == (503, f"GET {LARGE_PATH}")
        assert "shorter" in error["error"]

    async def test_a_file_of_which_nothing_can_be_read_is_an_error(self) -> None:
        """The client gets an error, and the connection stays usable."""

        async def handle(request: ImagedRequest) -> None:
            send_file(request, OpenFile(unreadable, 10, 1), "image/jpeg")

        request_log = StatusRequestLog(lambda _: None)
        connections = Connections(reactor)
        site = Site(handle, lambda _: 1000, reactor.seconds, connections, request_log, lambda: False, refuse_body)
        port = reactor.listenTCP(0, ImagedFactory(reactor, site), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        for _ in range(2):
            unreadable: Any = (self.folder / "file").open("wb")  # for writing alone
            connection = await begin(f"http://127.0.0.1:{port.getHost().port}", "GET", "/", {"Range": "bytes=1-2"})
            answer = await connection.answer()
            assert (answer.status, answer.headers["retry-after"]) == (503, "10")
            assert "try again later" in answer.error
            assert not {"etag", "last-modified", "content-range"} & set(answer.headers)
            assert unreadable.closed
        await until(lambda: not connections._open)


class TestLeaving(ServiceTestCase):
    """A client that disconnects cancels its own wait only."""

    async def in_flight(self, number: int) -> None:
        """Wait until so many requests are in flight."""
        await until(lambda: self.service.environment.counters.requests.current == number)

    async def test_other_clients_get_the_abandoned_render(self) -> None:
        """The render continues for the other clients."""
        await self.serve()
        await self.post()
        self.service_harness.processor.hold()
        first = await self.begin("GET", f"{HOME}/x30.jpg")
        await until(lambda: self.service_harness.processor.jobs)
        second = await self.begin("GET", f"{HOME}/x30.jpg")
        await self.in_flight(2)
        first.leave()
        await self.in_flight(1)
        self.service_harness.processor.release()
        assert (await second.answer()).status == 200
        assert len(self.service_harness.processor.jobs) == 1

    async def test_an_abandoned_render_is_kept(self) -> None:
        """The next client gets the output from the store."""
        await self.serve()
        await self.post()
        self.service_harness.processor.hold()
        connection = await self.begin("GET", f"{HOME}/x30.jpg")
        await until(lambda: self.service_harness.processor.jobs)
        connection.leave()
        await self.in_flight(0)
        self.service_harness.processor.release()
        await until(lambda: self.store.has(IMAGE, parse_file("x30.jpg")))
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        assert len(self.service_harness.processor.jobs) == 1

    async def test_a_download_continues_without_its_client(self) -> None:
        """The daemon finishes the download and keeps the original."""
        await self.serve()
        async with origin(None) as source:
            connection = await self.begin("POST", f"/p?source={source.url}")
            await until(lambda: source.asked)
            connection.leave()
            await self.in_flight(0)
            source.send(PICTURE)
            await until(lambda: self.store.has(IMAGE, RECORD))

    async def test_half_a_body_is_discarded(self) -> None:
        """A client that disconnects during its post leaves nothing in the store."""
        await self.serve()
        connection = await self.begin("POST", "/p", PICTURE[:100], Content_Length=str(len(PICTURE)))
        await self.in_flight(1)
        connection.leave()
        await self.in_flight(0)
        assert (await self.status())["posting"]["total"] == 0
        assert not (self.folder / "public" / "p").exists()

    async def test_leaving_is_no_error(self) -> None:
        """A disconnect logs no error (which would fail the test), and the request is forgotten."""
        await self.serve()
        await self.post()
        self.service_harness.processor.hold()
        for method, path in (("GET", "x30.jpg"), ("GET", "x31.jpg"), ("POST", "process?outputs=x32.jpg")):
            connection = await self.begin(method, f"{HOME}/{path}")
            await self.in_flight(1)
            connection.leave()
            await self.in_flight(0)
        assert self.service.generations.current.leases == 0
        self.service_harness.processor.release()
        assert (await self.get(f"/p/{HASH}/x32.jpg")).status == 200
