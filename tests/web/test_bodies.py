"""How originals come in: as the body, in a form, in chunks, by URL, too large, or not at all."""

from __future__ import annotations

import io
import json
import os

import treq
from origin_server import origin
from raw_client import read_answer, request
from service_case import HASH, PICTURE, ServiceTestCase, other_picture, until
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.client import HTTPConnectionPool

from imaged.core.events import OriginalDownloaded, OriginalUnavailable, RequestAnswered
from imaged.hooks.installation import VERSION

FORM = "multipart/form-data; boundary=cut"


def part(head: str, body: bytes) -> bytes:
    """Return one part of a form."""
    return b"--cut\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), body)


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunks (RFC 9112, 7.1)."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


class TestPictures(ServiceTestCase):
    """The bytes of a picture, however they are wrapped."""

    async def test_the_type_of_a_raw_body_does_not_matter(self) -> None:
        """Any body is a form, says curl; the picture's first bytes tell what it is."""
        await self.serve()
        for kind in ("application/x-www-form-urlencoded", "image/png", "text/plain", "nonsense", ""):
            answer = await self.post(Content_Type=kind)
            assert (answer.json()["hash"], answer.json()["content_type"]) == (HASH, "image/jpeg")

    async def test_a_body_in_chunks(self) -> None:
        """Without a length that is known before."""
        await self.serve()
        answer = await self.post(body=chunked(PICTURE[:100], PICTURE[100:]), Transfer_Encoding="chunked")
        assert answer.json()["hash"] == HASH

    async def test_a_client_may_ask_before_it_sends(self) -> None:
        """`Expect: 100-continue` is answered with 100."""
        await self.serve()
        connection = await self.begin("POST", "/p", Expect="100-continue", Content_Length=str(len(PICTURE)))
        await until(lambda: connection.received.startswith(b"HTTP/1.1 100 "))
        connection.send(PICTURE)
        assert (await connection.answer()).json()["hash"] == HASH

    async def test_several_requests_on_one_connection(self) -> None:
        """A connection is kept, and requests may come before the answers, which keep their order (RFC 9112, 9.3.2)."""
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
        """Whatever the field is called, and whatever else the form holds."""
        await self.serve()
        pool = HTTPConnectionPool(reactor, persistent=False)
        files = {"anything": ("a picture.jpg", io.BytesIO(PICTURE))}
        response = await treq.post(f"{self.url}/p", data={"caption": "a cat"}, files=files, pool=pool)
        assert response.code == 200
        assert json.loads(await response.content())["hash"] == HASH

    async def test_a_large_form(self) -> None:
        """One that Twisted keeps in a file while it comes, with the boundary's beginning in the picture."""
        await self.serve()
        picture = other_picture() + b"\r\n--cu" + os.urandom(1_000_000)
        body = part('name="a"; filename="a.png"', picture) + b"--cut--\r\n"
        assert (await self.post(body=body, Content_Type=FORM)).json()["size"] == len(picture)

    async def test_the_first_file_counts(self) -> None:
        """Fields that are no file are passed over, and so are further files."""
        await self.serve()
        fields = part('name="caption"', b"a cat"), part('name="a"; filename=""', PICTURE)
        body = b"".join(fields) + part('name="b"; filename="b.png"', other_picture()) + b"--cut--\r\n"
        assert (await self.post(body=body, Content_Type=FORM)).json()["hash"] == HASH


class TestRefusedBodies(ServiceTestCase):
    """What is no picture, or comes in no form that we read."""

    async def test_what_is_no_picture_is_415(self) -> None:
        """Text, and half a header."""
        await self.serve()
        for body in (b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", PICTURE[:10]):
            answer = await self.post(body=body)
            assert answer.status == 415
            assert "picture" in answer.error
            assert str(self.folder) not in answer.error
        assert self.service_harness.files == {}

    async def test_nothing_at_all_is_400(self) -> None:
        """No body, an empty one, an empty file in a form, or an empty source: the answer says how it is done."""
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

    async def test_what_curl_makes_of_d_is_explained(self) -> None:
        """Fields are no picture; and a file that -d has taken line ends and zeros out of is none any more."""
        await self.serve()
        kind = "application/x-www-form-urlencoded; charset=utf-8"
        for fields in (b"source=http://a.example/a.jpg", b"url=x&outputs=x30.jpg", b"image%5B%5D=%40a.jpg"):
            answer = await self.post(body=fields, Content_Type=kind)
            assert (answer.status, "form with fields" in answer.error) == (400, True)
        for body in (b"wine.jpg", PICTURE.translate(None, b"\r\n\0")[:300]):
            answer = await self.post(body=body, Content_Type=kind)
            assert (answer.status, "--data-binary @FILE" in answer.error) == (415, True)
        assert (await self.post(Content_Type=kind)).status == 200

    async def test_whoever_used_data_binary_is_not_told_to(self) -> None:
        """That is sent as a form too, with every byte of it; -d would have dropped some of these."""
        await self.serve()
        for body in (b"no picture\n", b"MM\x00*", b"GIF89a\r"):
            answer = await self.post(body=body, Content_Type="application/x-www-form-urlencoded")
            assert (answer.status, "curl" in answer.error) == (415, False), answer.error

    async def test_parameters_are_no_fields(self) -> None:
        """They stand in the URL: in a form, before or after the picture, they would do nothing, and say nothing."""
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
        """No file, no boundary, no end, no form at all."""
        await self.serve()
        for body, kind in (
            (part('name="caption"', b"a cat") + b"--cut--\r\n", FORM),
            (part('name="a"; filename="a"', PICTURE), FORM),
            (part('name="a"; filename="a"', PICTURE) + b"--cut--\r\n", "multipart/form-data"),
            (part('name="a"; filename="a"', PICTURE) + b"--cut--\r\n", "multipart/form-data; boundary=other"),
            (b"--cut\r\nnonsense\r\n\r\n", FORM),
            (PICTURE, FORM),
            (b"", FORM),
            (part('name="a"', b"a") * 101 + b"--cut--\r\n", FORM),
        ):
            answer = await self.post(body=body, Content_Type=kind)
            assert answer.status == 400, body[:60]
            assert "multipart" in answer.error
        assert list((self.folder / "public" / ".incoming").iterdir()) == []

    async def test_a_source_and_a_body_is_400(self) -> None:
        """And so are two sources."""
        await self.serve()
        assert "one or the other" in (await self.post("/p?source=http://127.0.0.1:1/a.jpg")).error
        assert "more than one" in (await self.post("/p?source=http://a/&source=http://b/", b"")).error
        assert (await self.post("/p?source=%FF", b"")).status == 400

    async def test_a_broken_body_gets_no_answer_of_success(self) -> None:
        """Chunks that are none are Twisted's to refuse."""
        await self.serve()
        connection = await self.begin("POST", "/p", b"zz\r\nabc", Transfer_Encoding="chunked")
        await connection.ended
        assert connection.received == b"" or read_answer(connection.received).status == 400
        assert not (self.folder / "public" / "p").exists()


class TestTooLarge(ServiceTestCase):
    """More bytes than are taken."""

    settings = "sources: {maximum_bytes: 100000}"

    async def test_an_announced_size_is_413_before_the_body_comes(self) -> None:
        """A client that asks first sends nothing."""
        await self.serve()
        connection = await self.begin("POST", "/p", Expect="100-continue", Content_Length="100001")
        await until(lambda: b"\r\n\r\n" in connection.received)
        answer = read_answer(connection.received)
        assert answer.status == 413
        assert "100000 bytes" in answer.error
        connection.leave()

    async def test_a_client_that_sends_on_can_read_the_answer(self) -> None:
        """It is not cut off while it sends, by length or in chunks."""
        await self.serve()
        body = os.urandom(3_000_000)
        for sent, coding in ((body, {}), (chunked(body[:60_000], body[60_000:]), {"Transfer_Encoding": "chunked"})):
            answer = await self.post(body=sent, **coding)
            assert answer.status == 413
            assert answer.headers["connection"] == "close"
            assert "smaller" in answer.error
        assert (await self.get("/status_check")).status == 200

    async def test_exactly_the_maximum_is_taken(self) -> None:
        """The bound belongs to what is allowed."""
        await self.serve()
        picture = PICTURE + bytes(100_000 - len(PICTURE))
        assert (await self.post(body=picture)).json()["size"] == 100_000
        assert (await self.post(body=picture + b"\x00")).status == 413


class TestSources(ServiceTestCase):
    """Originals by URL."""

    async def test_an_original_is_fetched(self) -> None:
        """It is described as if it had been sent, and the sink is told."""
        await self.serve()
        async with origin(PICTURE) as source:
            answer = await self.post(f"/p?source={source.url}&outputs=x30.jpg", b"")
        assert answer.json()["hash"] == HASH
        assert [row["name"] for row in answer.json()["outputs"]] == ["x30.jpg"]
        await until(lambda: self.service_harness.sink.of(OriginalDownloaded))
        (event,) = self.service_harness.sink.of(OriginalDownloaded)
        assert (event.namespace, event.size_bytes) == ("p", len(PICTURE))

    async def test_who_asks_is_what_the_settings_say(self) -> None:
        """A contact, where sites demand one; else the program and its version."""
        await self.serve()
        async with origin(PICTURE) as source:
            await self.post(f"/p?source={source.url}", b"")
            self.configure(sources={"user_agent": "shop (https://shop.example; ops@shop.example)"})
            assert (await self.service.reload()).ok
            await self.post(f"/q?source={source.url}", b"")
        agents = [request.getHeader(b"user-agent") for request in source.asked]
        assert agents == [f"imaged/{VERSION}".encode(), b"shop (https://shop.example; ops@shop.example)"]

    async def test_what_a_source_answers_decides(self) -> None:
        """Gone is 404, failing is 502, no picture is 415, too much is 413. One that came was available."""
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
        """It has as long as the settings say."""
        await self.serve(sources={"timeout_s": 0.1})
        async with origin(None) as source:
            assert (await self.post(f"/p?source={source.url}", b"")).status == 504

    async def test_urls_that_are_not_fetched(self) -> None:
        """What is no URL is 400, what lies in a private network 403, what nobody answers 502."""
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

    async def test_many_who_ask_for_one_source_cost_one_fetch(self) -> None:
        """All of them get the same answer."""
        await self.serve()
        async with origin(None) as source:
            connections = [await self.begin("POST", f"/p?source={source.url}") for _ in range(20)]
            await until(lambda: source.asked)
            assert (await self.status())["posting"]["current"] == 20
            source.send(PICTURE)
            answers = [await Deferred.fromCoroutine(connection.answer()) for connection in connections]
            assert {answer.json()["hash"] for answer in answers} == {HASH}
            assert len(source.asked) == 1
