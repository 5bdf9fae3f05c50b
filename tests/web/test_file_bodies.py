"""Files in memory are answered as files on disk are."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from raw_client import Answer, begin
from real_reactor import reactor
from service_case import ServiceTestCase

from imaged.core.errors import BusyError
from imaged.store.disk import FileBody, OpenFile
from imaged.web.bodies import Body
from imaged.web.connections import Connections
from imaged.web.factory import ImagedFactory
from imaged.web.files import CHUNK_BYTES, send_file
from imaged.web.request_log import StatusRequestLog
from imaged.web.requests import ImagedRequest, Site

MODIFIED_NS = 1_700_000_000_123_456_789
CONDITIONS: list[dict[str, str]] = [
    {},
    {"If-None-Match": "*"},
    {"If-None-Match": '"a"'},
    {"If-Match": '"a"'},
    {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"},
    {"If-Unmodified-Since": "Tue, 14 Nov 2023 22:13:19 GMT"},
    {"Range": "bytes=5-9"},
    {"Range": "bytes=-10"},
    {"Range": "bytes=9999999-"},
    {"Range": "bytes=5-9", "If-Range": '"a"'},
    {"Range": "bytes=0-0,5-6"},
]


def refuse_body(announced_bytes: int, give_up: object) -> Body:
    """Refuse every body."""
    raise BusyError(f"{announced_bytes} bytes are too many for {give_up}")


class TestFileBodies(ServiceTestCase):
    """Answers with the same bytes from a file and from memory."""

    async def ask_port(self, opened: Callable[[], OpenFile | FileBody], method: str, headers: dict[str, str]) -> Answer:
        """Return the answer of a port that sends what `opened` returns."""

        async def handle(request: ImagedRequest) -> None:
            send_file(request, opened(), "image/png")

        request_log, connections = StatusRequestLog(lambda _: None), Connections(reactor)
        site = Site(handle, lambda _: 1000, reactor.seconds, connections, request_log, lambda: False, refuse_body)
        port: Any = reactor.listenTCP(0, ImagedFactory(reactor, site), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        connection = await begin(f"http://127.0.0.1:{port.getHost().port}", method, "/", headers)
        return await connection.answer()

    async def test_memory_and_disk_give_the_same_answers(self) -> None:
        """Conditions, ranges and HEAD have the same status, headers and body for a small and for a large body."""
        for size_bytes in (1000, CHUNK_BYTES, 3 * CHUNK_BYTES + 1):
            body = os.urandom(size_bytes)
            path = self.folder / str(size_bytes)
            path.write_bytes(body)

            def on_disk(path: Any = path, size_bytes: int = size_bytes) -> OpenFile:
                return OpenFile(path.open("rb"), size_bytes, MODIFIED_NS)

            def in_memory(body: bytes = body) -> FileBody:
                return FileBody(body, MODIFIED_NS)

            for headers in CONDITIONS:
                for method in ("GET", "HEAD"):
                    from_disk, from_memory = [
                        await self.ask_port(opened, method, headers) for opened in (on_disk, in_memory)
                    ]
                    for answer in (from_disk, from_memory):
                        for name in ("date", "x-request-id"):
                            assert answer.headers.pop(name)  # type: ignore[attr-defined]
                    assert from_memory == from_disk, (size_bytes, method, headers)
