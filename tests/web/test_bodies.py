"""Originals arrive as a body, in a form, in chunks or by URL; some are too large, or missing."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import treq
from origin_server import origin
from raw_client import read_answer, request
from sent_bodies import FORM, chunked, part
from service_case import HASH, PICTURE, ServiceTestCase, other_picture, until
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.client import HTTPConnectionPool

from imaged.core.events import OriginalDownloaded, OriginalUnavailable, RequestAnswered
from imaged.hooks.installation import VERSION


class TestPictures(ServiceTestCase):
    """Pictures in each kind of body."""

    async def test_the_type_of_a_raw_body_does_not_matter(self) -> None:
        """The first bytes decide the format: curl sends any body as a form."""
        await self.serve()
        for kind in ("application/x-www-form-urlencoded", "image/png", "text/plain", "nonsense", ""):
            answer = await self.post(Content_Type=kind)
            assert (answer.json()["hash"], answer.json()["content_type"]) == (HASH, "image/jpeg")

    async def test_a_body_in_chunks(self) -> None:
        """A body may have no announced length."""
        await self.serve()
        answer = await self.post(body=chunked(PICTURE[:100], PICTURE[100:]), Transfer_Encoding="chunked")
        assert answer.json()["hash"] == HASH

    async def test_expect_is_answered_with_100(self) -> None:
        """`Expect: 100-continue` is answered with 100."""
        await self.serve()
        connection = await self.begin("POST", "/p", Expect="100-continue", Content_Length=str(len(PICTURE)))
        await until(lambda: connection.received.startswith(b"HTTP/1.1 100 "))
        connection.send(PICTURE)
        assert (await connection.answer()).json()["hash"] == HASH

    async def test_several_requests_on_one_connection(self) -> None:
        """Pipelined requests on a persistent connection are answered in order (RFC 9112, 9.3.2)."""
        await self.serve()
        connection = await self.begin("POST", "/p", b"no picture", Connection="keep-alive")
        connection.send(
            request("POST", "/p", {"Connection": "keep-alive"}, PICTURE) + request("GET", f"/p/{HASH}/original")
        )
        answer = await connection.answer()
        assert answer.status == 415
        assert connection.received.count(b"HTTP/1.1 200 OK") == 2
        assert connection.received.endswith(PICTURE)

    async def test_a_form_of_an_http_client(self) -> None:
        """The name of the field does not matter, nor do other fields."""
        await self.serve()
        pool = HTTPConnectionPool(reactor, persistent=False)
        files: Any = {"anything": ("a picture.jpg", io.BytesIO(PICTURE))}
        response = await treq.post(f"{self.url}/p", data={"caption": "a cat"}, files=files, pool=pool)
        assert response.code == 200
        assert json.loads(await response.content())["hash"] == HASH

    async def test_a_large_form(self) -> None:
        """A large form is kept in a file, also with the start of a boundary inside the picture."""
        await self.serve()
        picture = other_picture() + b"\r\n--cu" + os.urandom(1_000_000)
        body = part('name="a"; filename="a.png"', picture) + b"--cut--\r\n"
        assert (await self.post(body=body, Content_Type=FORM)).json()["size"] == len(picture)

    async def test_the_first_file_counts(self) -> None:
        """The daemon ignores fields without a file, and further files."""
        await self.serve()
        fields = part('name="caption"', b"a cat"), part('name="a"; filename=""', PICTURE)
        body = b"".join(fields) + part('name="b"; filename="b.png"', other_picture()) + b"--cut--\r\n"
        assert (await self.post(body=body, Content_Type=FORM)).json()["hash"] == HASH


class TestRefusedBodies(ServiceTestCase):
    """Bodies that are no picture, or of an unsupported kind."""

    async def test_a_body_that_is_no_picture_is_415(self) -> None:
        """Text and half a header are refused."""
        await self.serve()
        for body in (b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", PICTURE[:10]):
            answer = await self.post(body=body)
            assert answer.status == 415
            assert "format" in answer.error
            assert str(self.folder) not in answer.error
        assert self.service_harness.files == {}

    async def test_an_empty_post_is_400(self) -> None:
        """Without a body, a file or a source, the answer explains how to post."""
        await self.serve()
        empty = part('name="a"; filename="a.png"', b"") + b"--cut--\r\n"
        for answer in (
            await self.ask("POST", "/p"),
            await self.ask("POST", "/p", Content_Length="0"),
            await self.ask("POST", "/p", chunked(), Transfer_Encoding="chunked"),
            await self.post(body=empty, Content_Type=FORM),
            await self.ask("POST", "/p?source="),
            await self.ask("POST", "/p?source=%20"),
        ):
            assert answer.status == 400
            assert "--data-binary @picture.jpg" in answer.error

    async def test_the_answer_explains_curls_d(self) -> None:
        """The answer explains curl's -d: it sends fields, and removes line ends and zeros from a file."""
        await self.serve()
        kind = "application/x-www-form-urlencoded; charset=utf-8"
        for fields in (b"source=http://a.example/a.jpg", b"url=x&outputs=x30.jpg", b"image%5B%5D=%40a.jpg"):
            answer = await self.post(body=fields, Content_Type=kind)
            assert (answer.status, "form with fields" in answer.error) == (400, True)
        for body in (b"wine.jpg", PICTURE.translate(None, b"\r\n\0")[:300]):
            answer = await self.post(body=body, Content_Type=kind)
            assert (answer.status, "--data-binary @FILE" in answer.error) == (415, True)
        assert (await self.post(Content_Type=kind)).status == 200

    async def test_data_binary_is_not_recommended_to_its_users(self) -> None:
        """The answer does not recommend --data-binary to a client that used it: the body has bytes that -d removes."""
        await self.serve()
        for body in (b"no picture\n", b"MM\x00*", b"GIF89a\r"):
            answer = await self.post(body=body, Content_Type="application/x-www-form-urlencoded")
            assert (answer.status, "curl" in answer.error) == (415, False), answer.error

    async def test_parameters_are_no_fields(self) -> None:
        """Parameters in a form are refused, before or after the picture: they belong into the URL."""
        await self.serve()
        file, end = part('name="a"; filename="a.jpg"', PICTURE), b"--cut--\r\n"
        for field in ("outputs", "source"):
            own = part(f'name="{field}"', b"x30.jpg")
            for body in (own + file + end, file + own + end):
                answer = await self.post(body=body, Content_Type=FORM)
                assert (answer.status, f"/p?{field}=" in answer.error) == (400, True), answer.error
        assert not any(path.name == "original" for path in self.folder.rglob("*"))
        named_so = part('name="source"; filename="a.jpg"', PICTURE) + end
        assert (await self.post(body=named_so, Content_Type=FORM)).status == 200

    async def test_forms_without_a_picture_are_400(self) -> None:
        """A form without file, boundary or end is refused."""
        await self.serve()
        for body, kind in (
            (part('name="caption"', b"a cat") + b"--cut--\r\n", FORM),
            (part('name="a"; filename="a"', PICTURE), FORM),
            (part('name="a"; filename="a"', PICTURE) + b"--cut--\r\n", "multipart/form-data"),
            (part('name="a"; filename="a"', PICTURE) + b"--cut--\r\n", "multipart/form-data; boundary=other"),
            (b"--cut\r\nnonsense\r\n\r\n", FORM),
            (PICTURE, FORM),
            (PICTURE, 'multipart/form-data; boundary="cut"; a="' + "\\" * 30),
            (b"", FORM),
            (part('name="a"', b"a") * 101 + b"--cut--\r\n", FORM),
        ):
            answer = await self.post(body=body, Content_Type=kind)
            assert answer.status == 400, body[:60]
            assert "multipart" in answer.error
        assert list((self.folder / "public" / ".incoming").iterdir()) == []

    async def test_a_source_and_a_body_is_400(self) -> None:
        """Two sources are refused, too."""
        await self.serve()
        assert "one or the other" in (await self.post("/p?source=http://127.0.0.1:1/a.jpg")).error
        assert "more than one" in (await self.post("/p?source=http://a/&source=http://b/", b"")).error
        assert (await self.post("/p?source=%FF", b"")).status == 400

    async def test_a_broken_body_gets_no_answer_of_success(self) -> None:
        """Twisted refuses malformed chunks."""
        await self.serve()
        connection = await self.begin("POST", "/p", b"zz\r\nabc", Transfer_Encoding="chunked")
        await connection.ended
        assert connection.received == b"" or read_answer(connection.received).status == 400
        assert not (self.folder / "public" / "p").exists()


class TestTooLarge(ServiceTestCase):
    """Bodies above the limit."""

    settings = "sources: {maximum_bytes: 100000}"

    async def test_an_announced_size_is_413_before_the_body_comes(self) -> None:
        """A client that sends Expect gets the answer before it sends the body."""
        await self.serve()
        connection = await self.begin("POST", "/p", Expect="100-continue", Content_Length="100001")
        await until(lambda: b"\r\n\r\n" in connection.received)
        answer = read_answer(connection.received)
        assert answer.status == 413
        assert "100000 bytes" in answer.error
        connection.leave()

    async def test_a_client_that_sends_on_can_read_the_answer(self) -> None:
        """The connection stays open while the client sends, by length or in chunks."""
        await self.serve()
        body = os.urandom(3_000_000)
        for sent, coding in ((body, {}), (chunked(body[:60_000], body[60_000:]), {"Transfer_Encoding": "chunked"})):
            answer = await self.post(body=sent, **coding)
            assert answer.status == 413
            assert answer.headers["connection"] == "close"
            assert "smaller" in answer.error
        assert (await self.get("/status_check")).status == 200

    async def test_exactly_the_maximum_is_taken(self) -> None:
        """The limit itself is allowed."""
        await self.serve()
        picture = PICTURE + bytes(100_000 - len(PICTURE))
        assert (await self.post(body=picture)).json()["size"] == 100_000
        assert (await self.post(body=picture + b"\x00")).status == 413


class TestSources(ServiceTestCase):
    """Originals by URL."""

    async def test_an_original_is_fetched(self) -> None:
        """The answer is that of a posted picture, and the sink receives the event."""
        await self.serve()
        async with origin(PICTURE) as source:
            answer = await self.post(f"/p?source={source.url}&outputs=x30.jpg", b"")
        assert answer.json()["hash"] == HASH
        assert [row["name"] for row in answer.json()["outputs"]] == ["x30.jpg"]
        await until(lambda: self.service_harness.sink.of(OriginalDownloaded))
        (event,) = self.service_harness.sink.of(OriginalDownloaded)
        assert (event.namespace, event.size_bytes) == ("p", len(PICTURE))

    async def test_the_user_agent_follows_the_settings(self) -> None:
        """The User-Agent has the contact of the settings, or the program and its version."""
        await self.serve()
        async with origin(PICTURE) as source:
            await self.post(f"/p?source={source.url}", b"")
            self.configure(sources={"user_agent": "shop (https://shop.example; ops@shop.example)"})
            assert (await self.service.reload()).ok
            await self.post(f"/q?source={source.url}", b"")
        agents = [request.getHeader(b"user-agent") for request in source.asked]
        assert agents == [f"imaged/{VERSION}".encode(), b"shop (https://shop.example; ops@shop.example)"]

    async def test_the_answer_of_a_source_decides_the_status(self) -> None:
        """A missing source is 404, a failing one 502, no picture 415, too many bytes 413."""
        await self.serve(sources={"maximum_bytes": 1000})
        for code, status in ((404, 404), (410, 404), (500, 502), (403, 502), (200, 415)):
            async with origin(b"x", code) as source:
                assert (await self.post(f"/p?source={source.url}", b"")).status == status
        async with origin(bytes(1001)) as source:
            assert (await self.post(f"/p?source={source.url}", b"")).status == 413
        await until(lambda: len(self.service_harness.sink.of(RequestAnswered)) == 6)
        assert len(self.service_harness.sink.of(OriginalUnavailable)) == 5
        assert len(self.service_harness.sink.of(OriginalDownloaded)) == 1

    async def test_a_slow_source_is_504(self) -> None:
        """The timeout of the settings limits a download."""
        await self.serve(sources={"timeout_s": 0.1})
        async with origin(None) as source:
            assert (await self.post(f"/p?source={source.url}", b"")).status == 504

    async def test_urls_that_are_not_fetched(self) -> None:
        """A malformed URL is 400, a private network 403, an unreachable server 502."""
        await self.serve(sources={"allow_networks": []})
        for url in ("", "nonsense", "ftp://example.com/a", "file:///etc/passwd", "http://", "http://u:p@a/"):
            assert (await self.post(f"/p?source={url}", b"")).status == 400, url
        for url in ("http://127.0.0.1/a", "http://169.254.169.254/latest", "http://[::1]/a", "http://10.1.2.3/"):
            assert (await self.post(f"/p?source={url}", b"")).status == 403, url
        async with origin(PICTURE) as source:
            pass
        self.yaml = self.yaml.replace("allow_networks: []", "allow_networks: ['127.0.0.1/32']")
        await self.service.reload()
        assert (await self.post(f"/p?source={source.url}", b"")).status == 502

    async def test_many_posts_of_one_source_cost_one_download(self) -> None:
        """Simultaneous posts of one source get the same answer from one download."""
        await self.serve()
        async with origin(None) as source:
            connections = [await self.begin("POST", f"/p?source={source.url}") for _ in range(20)]
            await until(lambda: source.asked)
            assert (await self.status())["posting"]["current"] == 20
            source.send(PICTURE)
            answers = [await Deferred.fromCoroutine(connection.answer()) for connection in connections]
            assert {answer.json()["hash"] for answer in answers} == {HASH}
            assert len(source.asked) == 1
