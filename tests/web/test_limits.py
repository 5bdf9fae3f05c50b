"""What each client may ask for: requests, posts and new outputs, by its address."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from raw_client import Answer, connect
from service_case import HASH, HOME, ServiceTestCase, other_picture, until
from twisted.logger import formatEvent, globalLogPublisher

from imaged.core.clients import LIMITS
from imaged.core.events import RequestAnswered
from imaged.pipeline.originals import NOT_THERE_S

PROXY = "127.0.0.1"
"""Where all requests of a test come from."""

ONE, OTHER = "198.51.100.7", "198.51.100.8"
W10 = f"{HOME}/w10.jpg"

CLIENTS = (
    (ONE, 200),
    (ONE, 429),
    (OTHER, 200),
    (f"203.0.113.1, {ONE}", 429),  # written by the client
    (f"{ONE}, {PROXY}", 429),  # a second proxy
    (f"::ffff:{ONE}", 429),
    (f"{ONE}:40000", 429),
    ("2001:db8:1:2::1", 200),
    ("2001:db8:1:2:ffff::2", 429),
    ("[2001:db8:1:2::3]:443", 429),
    ("2001:db8:1:3::1", 200),
    ("garbage", 200),  # the proxy itself is the client
    (f"{OTHER}, garbage", 429),
)
"""Headers of requests in their order, and the statuses where each client has one token."""

UNTRUSTED = ((ONE, 200), (OTHER, 429), ("2001:db8::1", 429), ("garbage", 429))


class TestLimits(ServiceTestCase):
    """A daemon that trusts this machine, with a stored picture and one output."""

    settings = "access: {open: true}"

    async def begin_service(self, **limits: Any) -> None:
        """Start the daemon, store the picture, then limit clients."""
        await self.serve()
        assert (await self.post()).status == 200
        assert (await self.get(W10)).status == 200
        await self.until_stored()
        await self.limit(**{"trusted_proxies": [PROXY], **limits})

    async def limit(self, **limits: Any) -> None:
        """Reload with these limits."""
        self.configure(limits=limits)
        assert (await self.service.reload()).ok

    async def of(self, client: str, target: str = W10, method: str = "GET", body: bytes = b"", **more: str) -> Answer:
        """Send a request for a client, as a proxy does."""
        return await self.ask(method, target, body, x_forwarded_for=client, **more)

    async def check(self, ask: Callable[[int], dict[str, Any]], expected: Any = CLIENTS) -> None:
        """Send the n-th request for each client; a refusal tells when to come again, and leaves the connection open."""
        for number, (client, status) in enumerate(expected):
            answer = await self.of(client, **ask(number))
            assert (client, answer.status) == (client, status), answer
            if status == 429:
                assert "retry in" in answer.error
                assert 1 <= int(answer.headers["retry-after"]) <= 60

    async def test_requests(self) -> None:
        """Each client has its own; a refusal leaves the connection open."""
        await self.begin_service(requests_per_s=0.02)
        await self.check(lambda _: {})
        connection = await connect(self.url)
        head = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %b\r\n\r\n" % ONE.encode()
        for number in (1, 2):
            connection.send(head)
            await until(lambda number=number: connection.received.count(b"HTTP/1.1 429 ") == number)  # type: ignore[misc]
        connection.leave()
        await connection.ended
        assert b"Connection: close" not in connection.received

    async def test_every_request_counts(self) -> None:
        """Hits, records, errors, preflights and posts; the health check does not."""
        await self.begin_service(requests_per_s=0.02)
        asked: tuple[tuple[str, str, int], ...] = (
            ("GET", W10, 200),
            ("HEAD", W10, 200),
            ("GET", f"{HOME}/info.json", 200),
            ("GET", "/nothing/here", 404),
            ("PUT", "/p", 405),
            ("POST", "/p", 200),
            ("POST", "/p?source=ftp://a", 400),
        )
        for number, (method, target, status) in enumerate(asked):
            body = other_picture() if status == 200 and method == "POST" else b""
            answers = [await self.of(f"198.51.100.{number}", target, method, body) for _ in range(2)]
            assert [each.status for each in answers] == [status, 429], (method, target)
        for _ in range(9):
            assert (await self.of(ONE, "/status_check")).status == 200
        assert (await self.of(ONE)).status == 200

    async def test_a_peer_that_is_not_trusted(self) -> None:
        """Its header is ignored: all its requests are those of one client."""
        for limits in ({"requests_per_s": 0.02}, {"renders_per_minute": 1}, {"posts_per_minute": 1}):
            asks: dict[str, Callable[[int], dict[str, Any]]] = {
                "requests_per_s": lambda _: {},
                "renders_per_minute": lambda number: {"target": f"{HOME}/w{20 + number}.jpg"},
                "posts_per_minute": lambda number: {"target": "/p", "method": "POST", "body": other_picture(number)},
            }
            (key,) = limits
            if not hasattr(self, "service"):
                await self.begin_service()
            await self.limit(trusted_proxies=["10.0.0.0/8"], **limits)
            await self.check(asks[key], UNTRUSTED)

    async def test_posts(self) -> None:
        """Posts of bodies and by URL count; what the head is refused for does not, and reads do not."""
        await self.begin_service(posts_per_minute=1)
        for client, _ in CLIENTS:
            assert (await self.of(client)).status == 200
            assert (await self.of(client, "/p?outputs=nothing", "POST", b"x")).status == 404
            assert (await self.of(client, "/Not", "POST", b"x")).status == 404
        await self.check(lambda number: {"target": "/p", "method": "POST", "body": other_picture(number)})
        source = "/p?source=http://127.0.0.1:1/a.jpg"
        given = [(await self.of("198.51.100.9", source, "POST")).status for _ in range(2)]
        assert given == [502, 429]

    async def test_a_post_is_refused_before_its_body(self) -> None:
        """The answer comes when the head has, also to a post that names outputs while the client has none left."""
        for limit, target in (("posts_per_minute", "/p"), ("renders_per_minute", "/p?outputs=w77.jpg")):
            if not hasattr(self, "service"):
                await self.begin_service()
            await self.limit(trusted_proxies=[PROXY], **{limit: 1})
            assert (await self.of(ONE, target, "POST", other_picture())).status == 200
            connection = await connect(self.url)
            head = f"POST {target} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {ONE}\r\nContent-Length: 1000\r\n\r\n"
            connection.send(head.encode())
            await until(lambda: connection.received.endswith(b"}\n"))  # noqa: B023  # called before the next round
            assert connection.received.startswith(b"HTTP/1.1 429 ")
            connection.leave()
            await connection.ended

    async def test_the_queue_knows_the_clients(self) -> None:
        """The shares of the queue are those of the addresses that the proxy tells."""
        await self.begin_service()
        self.service_harness.processor.hold()
        for number, client in enumerate((ONE, OTHER, "2001:db8:1:2::1", "2001:db8:1:2::2")):
            assert (await self.of(client, "/p?outputs=w20.jpg", "POST", other_picture(number))).status == 200
        with closing(sqlite3.connect(self.folder / "state" / "jobs.sqlite")) as queue:
            clients = queue.execute("SELECT DISTINCT client FROM jobs WHERE kind = 'render' ORDER BY client").fetchall()
        assert [client for (client,) in clients] == [ONE, OTHER, "2001:db8:1:2::/64"]

    async def test_queued_outputs_count_once(self) -> None:
        """A post that orders what the queue has already costs nothing."""
        await self.begin_service(renders_per_minute=4)
        self.service_harness.processor.hold()
        named = "/p?outputs=w20.jpg,w21.jpg"
        for _ in range(5):
            assert (await self.of(ONE, named, "POST", other_picture())).status == 200
        assert (await self.of(ONE, "/p?outputs=w22.jpg,w23.jpg,w24.jpg", "POST", other_picture())).status == 200
        assert (await self.of(ONE, named, "POST", other_picture())).status == 429

    async def test_renders(self) -> None:
        """Each new output counts for the client whose request begins its render."""
        await self.begin_service(renders_per_minute=1)
        await self.check(lambda number: {"target": f"{HOME}/w{20 + number}.jpg"})

    async def test_what_is_stored_is_not_limited(self) -> None:
        """Hits, records, originals and answers 304; nor is a picture that is not there a new output."""
        await self.begin_service(renders_per_minute=1)
        lost = HOME.replace(HASH[:3], "000")
        assert [(await self.of(ONE, f"{lost}/w{each}.jpg")).status for each in range(20, 25)] == [404] * 5
        assert [(await self.of(ONE, f"{HOME}/w{each}.jpg")).status for each in (20, 21)] == [200, 429]
        tag = (await self.of(ONE)).headers["etag"]
        for _ in range(9):
            assert (await self.of(ONE)).status == 200
            assert (await self.of(ONE, if_none_match=tag)).status == 304
            assert (await self.of(ONE, f"{HOME}/info.json")).status == 200
            assert (await self.of(ONE, f"{HOME}/original")).status == 200

    async def test_pictures_that_are_not_there(self) -> None:
        """Each costs one call of the remote store and one fetch of its client, whatever of it the client asks for."""
        await self.begin_service(renders_per_minute=2)
        targets = ("w20.jpg", "w20.auto", "original", "info.json", "srcset", "process?outputs=w20.jpg")
        for client, target in enumerate(targets):
            method, asked = "POST" if "?" in target else "GET", self.service_harness.uploader.downloads
            lost = [f"/p/{client:016x}{number:016x}/{target}" for number in range(4)]
            of = partial(self.of, f"198.51.100.{client}", method=method)
            before, slow = len(asked), time.monotonic()
            given = [(await of(target=each)).status for each in (*lost, lost[0])]
            is_fresh = time.monotonic() - slow < NOT_THERE_S
            assert (target, given[:4]) == (target, [404, 404, 429, 429])
            assert (given[4], len(asked) - before) == (404, 2) or not is_fresh
            given = [(await of(target=f"{HOME}/w{number}.jpg", method="GET")).status for number in (10, 30 + client)]
            assert given == [200, 200]

    async def test_an_original_of_the_remote_store(self) -> None:
        """Its download counts as a fetch; a client that is over the limit gets what is here."""
        await self.begin_service(renders_per_minute=1)
        for name in ("original", "info.json"):
            (self.folder / "public" / HOME.removeprefix("/") / name).unlink()
        assert (await self.of(ONE, f"/p/{'0' * 32}/original")).status == 404
        refusal = await self.of(ONE, f"{HOME}/w20.jpg")
        assert refusal.status == 429
        assert "1 fetches of originals a minute are allowed" in refusal.error
        assert (await self.of(ONE)).status == 200
        assert (await self.of(OTHER, f"{HOME}/original")).status == 200
        assert (await self.of(ONE, f"{HOME}/w20.jpg")).status == 200

    async def test_a_request_that_waits_for_another_is_not_limited(self) -> None:
        """It costs no render, whichever client has begun it."""
        await self.begin_service(renders_per_minute=1)
        processor = self.service_harness.processor
        processor.hold()
        begun = [await self.begin("GET", f"{HOME}/w20.jpg", x_forwarded_for=OTHER)]
        await until(lambda: processor.jobs)
        begun += [await self.begin("GET", f"{HOME}/w20.jpg", x_forwarded_for=ONE) for _ in range(5)]
        assert (await self.of(OTHER, f"{HOME}/w21.jpg")).status == 429
        processor.release()
        assert [(await each.answer()).status for each in begun] == [200] * 6
        assert (await self.of(ONE, f"{HOME}/w21.jpg")).status == 200

    async def test_several_outputs_at_once(self) -> None:
        """A client with one token left may order several, and waits for all of them."""
        await self.begin_service(renders_per_minute=2)
        process = f"{HOME}/process?outputs=w10.jpg,w20.jpg,w21.jpg,w22.jpg"
        assert (await self.of(ONE, process, "POST")).status == 200
        refusal = await self.of(ONE, f"{HOME}/w23.jpg")
        assert refusal.status == 429
        assert 30 < int(refusal.headers["retry-after"]) <= 60  # 3 used of 2: a minute for two more
        assert (await self.of(ONE, process, "POST")).status == 200  # all are stored
        assert (await self.of(ONE, f"{HOME}/process?outputs=w24.jpg", "POST")).status == 429

    async def test_outputs_of_posts(self) -> None:
        """Those that the client names count, not those of the settings. A client in debt posts without names."""
        await self.begin_service()
        self.configure(
            limits={"trusted_proxies": [PROXY], "renders_per_minute": 2}, images={"outputs": ["w30.jpg", "w31.auto"]}
        )
        assert (await self.service.reload()).ok
        for number in range(5):
            assert (await self.of(ONE, "/p", "POST", other_picture(number))).status == 200
        named = "/p?outputs=w20.jpg,w21.jpg,w30.jpg"
        assert (await self.of(ONE, named, "POST", other_picture(10))).status == 200
        assert (await self.of(ONE, named, "POST", other_picture(11))).status == 429
        assert (await self.of(ONE, "/p", "POST", other_picture(12))).status == 200
        assert (await self.of(ONE, f"{HOME}/w22.jpg")).status == 429
        assert (await self.of(OTHER, named, "POST", other_picture(11))).status == 200

    async def test_all_is_off_by_default(self) -> None:
        """A hundred requests and posts of one client are answered."""
        await self.serve()
        for number in range(30):
            posted = await self.post(body=other_picture(number))
            assert posted.status == 200
            home = f"/p/{posted.json()['partitionedHash']}"
            assert [(await self.get(f"{home}/w{width}.jpg")).status for width in (10, 11)] == [200, 200]

    async def test_a_reload_keeps_what_is_used(self) -> None:
        """A client that is refused stays refused after a reload, until the limit is raised."""
        await self.begin_service(renders_per_minute=1)
        assert [(await self.of(ONE, f"{HOME}/w{each}.jpg")).status for each in (20, 21)] == [200, 429]
        assert (await self.service.reload()).ok
        assert (await self.of(ONE, f"{HOME}/w21.jpg")).status == 429
        await self.limit(trusted_proxies=[PROXY], renders_per_minute=3)
        assert [(await self.of(ONE, f"{HOME}/w{each}.jpg")).status for each in (21, 22, 23)] == [200, 200, 429]
        await self.limit(trusted_proxies=[PROXY])
        assert (await self.of(ONE, f"{HOME}/w23.jpg")).status == 200

    async def test_the_log_and_the_counts(self) -> None:
        """Each request has a line with the address of the client, all refusals one warning. Metrics have the route."""
        await self.begin_service(requests_per_s=0.02)
        warnings: list[str | None] = []
        observer: Any = lambda event: warnings.append(formatEvent(event))  # noqa: E731  # zope's interface is no type
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        assert [(await self.of(ONE)).status for _ in range(5)] == [200] + [429] * 4
        await until(lambda: self.log.getvalue().count(f'"client": "{ONE}"') == 5)
        (line,) = [each for each in warnings if each and "limits.requests_per_s refuses" in each]
        assert f"refuses {ONE} (refusals so far: 1)" in line
        events = self.service_harness.sink.events  # a thread of its own records them

        def refused() -> list[RequestAnswered]:
            return [each for each in events if isinstance(each, RequestAnswered) and each.status == 429]

        await until(lambda: len(refused()) == 4)
        assert {(each.route, each.namespace, each.extension) for each in refused()} == {("output", "p", "jpg")}
        status = await self.status()
        assert status["requests"]["refused"] >= 4
        assert status["limits"] == {**dict.fromkeys(LIMITS, 0), "requests_per_s": 4}
