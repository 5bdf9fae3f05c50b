"""Requests leave nothing to the garbage collector, whose pauses every client would feel."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter

from raw_client import connect, request
from service_case import HASH, HOME, PICTURE, ServiceTestCase, until
from twisted.web.http_headers import Headers

from imaged.core.errors import ImagedError
from imaged.core.tracing import Trace
from imaged.store.disk import FileBody, OpenFile
from imaged.web.connection import Connection
from imaged.web.files import FileProducer
from imaged.web.requests import ImagedRequest

PICTURE_AND_MORE = hashlib.md5(PICTURE + bytes(500_000)).hexdigest()
REQUESTS = 8
OURS = (ImagedRequest, Connection, Trace, ImagedError, Headers, FileBody, OpenFile, FileProducer)


class TestCycles(ServiceTestCase):
    """Garbage after requests of each kind."""

    async def exchange(self, data: bytes) -> int:
        """Send a request on a connection of its own, and return the status of the answer."""
        connection = await connect(self.url)
        connection.send(data)
        return (await connection.answer()).status

    async def left_by(self, data: bytes, status: int) -> list[str]:
        """Return the classes of which equal requests with this status leave an object each to the collector.

        The watch for stalls keeps the frames of a moment alive, and with them single objects.
        """
        await self.exchange(data)
        gc.collect()
        gc.disable()
        earlier = {id(each) for each in gc.get_objects() if isinstance(each, OURS)}  # a service of another test may end
        try:
            assert [await self.exchange(data) for _ in range(REQUESTS)] == [status] * REQUESTS
            current = self.service.environment.counters.requests
            await until(lambda: not current.current)
            self.service.logs.flush()  # the lines of requests wait for more of them
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            new = [each for each in gc.garbage if isinstance(each, OURS) and id(each) not in earlier]
            left = Counter(type(each).__name__ for each in new)
            return [name for name, count in left.items() if count > REQUESTS / 2]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    async def test_no_request_is_left_to_the_collector(self) -> None:
        """Files from the store, refusals, records and posts are freed when they end."""
        await self.serve()
        await self.post()
        await self.post(body=PICTURE + bytes(500_000))
        large = f"/p/{PICTURE_AND_MORE}/original"
        for path in ("x30.jpg", "x31.jpg"):
            await self.get(f"{HOME}/{path}")
        for data, status in (
            (request("GET", f"{HOME}/x30.jpg"), 200),
            (request("GET", f"/p/{HASH}/x31.jpg"), 200),
            (request("HEAD", f"{HOME}/x30.jpg"), 200),
            (request("GET", f"{HOME}/x30.jpg", {"If-None-Match": "*"}), 304),
            (request("GET", f"{HOME}/x30.jpg", {"If-Match": '"a"'}), 412),
            (request("GET", f"{HOME}/x30.jpg", {"Range": "bytes=9999999-"}), 416),
            (request("GET", large), 200),
            (request("GET", f"{HOME}/info.json"), 200),
            (request("GET", f"{HOME}/nothing"), 404),
            (request("GET", f"/p/{'0' * 32}/x30.jpg"), 404),
            (request("GET", f"{HOME}/x5000.jpg"), 406),
            (request("POST", "/p", body=PICTURE), 200),
            (request("POST", "/p?a=b", body=PICTURE), 400),
            (request("GET", "/", {"Host": "a b"}), 400),
        ):
            assert not await self.left_by(data, status), data

    async def test_no_refusal_is_left_to_the_collector(self) -> None:
        """Requests without a token, a signature or a picture, and those over a limit, are freed, too."""
        token = "T-0123456789abcdefghij"
        await self.serve(
            access={"tokens": [{"name": "own", "token": token}], "signing_keys": ["K-0123456789abcdefghij"]},
            images={"allowed_outputs": ["x30.jpg"]},
            limits={"posts_per_minute": 1},
        )
        bearer = {"Authorization": f"Bearer {token}"}
        await self.post(authorization=bearer["Authorization"])
        for data, status in (
            (request("POST", "/p", body=PICTURE), 401),
            (request("POST", "/p?e=9999999999&s=wrong", body=PICTURE), 403),
            (request("POST", "/p", bearer, PICTURE), 429),
            (request("GET", f"{HOME}/x31.jpg"), 403),
            (request("GET", f"{HOME}/x31.jpg?s=wrong"), 403),
            (request("DELETE", HOME), 401),
            (request("DELETE", HOME, bearer), 204),
            (request("GET", f"{HOME}/x30.jpg"), 410),
        ):
            assert not await self.left_by(data, status), data
