"""Posts with a token, and posts to signed URLs, over HTTP."""

from __future__ import annotations

import json
import time
from urllib.parse import urlencode

from raw_client import connect, request
from sent_bodies import FORM, chunked, part
from service_case import HASH, HOME, PICTURE, ServiceTestCase, until

from imaged.core.signatures import sign, upload_message

TOKEN, KEY = "imaged_0123456789abcdefghij", "signing-key-0123456789"
ERASER = "imaged_9876543210abcdefghij"
BEARER = f"Bearer {TOKEN}"


def upload_url(maximum_bytes: int | None = None, namespace: str = "p", seconds: float = 600, **more: str) -> str:
    """Return the target of a signed upload."""
    expires, most = str(int(time.time() + seconds)), None if maximum_bytes is None else str(maximum_bytes)
    parameters = {"e": expires} | ({} if most is None else {"maximum_bytes": most})
    signature = sign(KEY, upload_message(f"/{namespace}", expires, most))
    return f"/{namespace}?{urlencode({**parameters, 's': signature, **more})}"


class TestTokens(ServiceTestCase):
    """A daemon with a token for the namespace p."""

    settings = f"""
        access:
          tokens: [{{name: shop, token: {TOKEN}, namespaces: [p], actions: [post, process]}}]
          signing_keys: [{KEY}]
    """

    async def test_writes_need_the_token(self) -> None:
        """Without it or with a wrong one the answer is 401, where it does not allow the action 403; reads need none."""
        await self.serve()
        for refused, challenge in (
            (await self.post(), 'Bearer realm="imaged"'),
            (await self.post(Authorization="Bearer wrong"), 'Bearer realm="imaged", error="invalid_token"'),
            (await self.post("/p?source=http://127.0.0.1:1/", b""), 'Bearer realm="imaged"'),
            (await self.post(f"{HOME}/process?outputs=x30.jpg", b""), 'Bearer realm="imaged"'),
        ):
            assert (refused.status, refused.headers["www-authenticate"]) == (401, challenge)
            assert "token" in refused.error
        elsewhere = await self.post("/q", Authorization=BEARER)
        assert (elsewhere.status, elsewhere.error) == (
            403,
            "the token shop is not for post in the namespace q: use another one",
        )
        assert elsewhere.headers["www-authenticate"].endswith('error="insufficient_scope"')
        assert (await self.post(Authorization=BEARER)).json()["hash"] == HASH
        assert (await self.post(f"{HOME}/process?outputs=x30.jpg", b"", Authorization=BEARER)).status == 200
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_deletes_need_a_token_that_may(self) -> None:
        """A picture and its outputs stay while none comes, and a signed URL is none."""
        eraser = {"name": "eraser", "token": ERASER, "actions": ["delete"]}
        shop = {"name": "shop", "token": TOKEN, "actions": ["post", "process"]}
        await self.serve(access={"tokens": [shop, eraser], "signing_keys": [KEY]})
        await self.post(Authorization=BEARER)
        query = upload_url().partition("?")[2]
        for path in (HOME, f"{HOME}/outputs", f"{HOME}?{query}"):
            assert (await self.ask("DELETE", path)).status == 401
            assert (await self.ask("DELETE", path, Authorization=BEARER)).status == 403
        assert (await self.get(f"{HOME}/original")).status == 200
        assert (await self.post(Authorization=f"Bearer {ERASER}")).status == 403
        assert (await self.ask("DELETE", f"{HOME}/outputs", Authorization=f"Bearer {ERASER}")).status in {202, 204}
        assert (await self.ask("DELETE", HOME, Authorization=f"Bearer {ERASER}")).status in {202, 204}
        assert (await self.get(f"{HOME}/original")).status == 410

    async def test_a_body_without_the_token_is_not_read(self) -> None:
        """The answer comes when the head is complete, and no 100 asks for the body."""
        await self.serve()
        for headers in ({}, {"Expect": "100-continue"}):
            connection = await self.begin("POST", "/p", b"", Content_Length="20000", **headers)
            assert (await connection.answer()).status == 401
            assert b"100 Continue" not in connection.received
        chunks = await self.begin("POST", "/p", Transfer_Encoding="chunked")
        assert (await chunks.answer()).status == 401

    async def test_a_path_that_is_none_is_404_and_a_wrong_method_405(self) -> None:
        """A client learns that before it is asked for a token."""
        await self.serve()
        assert (await self.post("/P")).status == 404
        assert (await self.post(f"{HOME}/x30.jpg")).status == 405

    async def test_the_log_names_the_token(self) -> None:
        """And shows neither the token, a wrong one, nor a signature."""
        await self.serve()
        signed = upload_url()
        for headers in ({"Authorization": BEARER}, {"Authorization": "Bearer wrong-imaged_x"}):
            await self.post("/p", PICTURE, **headers)
        await self.post(signed)
        await self.stop()
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        assert [(line["status"], line.get("token")) for line in lines if line.get("method") == "POST"] == [
            (200, "shop"),
            (401, None),
            (200, None),
        ]
        for hidden in (TOKEN, KEY, "wrong-imaged_x", signed.rpartition("=")[2]):
            assert hidden not in self.log.getvalue()

    async def test_rotation(self) -> None:
        """Old and new are valid together; after the next reload the old one is refused, on open connections, too."""
        await self.serve()
        new = "imaged_new-9876543210abcdef"
        old = {"name": "shop", "token": TOKEN}
        self.configure(access={"tokens": [old, {"name": "shop2", "token": new}]})
        assert (await self.service.reload()).ok
        connection = await self.begin("POST", "/p", PICTURE, Authorization=BEARER, Connection="keep-alive")
        await until(lambda: connection.received.count(b"HTTP/1.1 ") == 1)
        assert (await self.post(Authorization=f"Bearer {new}")).status == 200
        self.configure(access={"tokens": [{"name": "shop2", "token": new}]})
        assert (await self.service.reload()).ok
        connection.send(request("POST", "/p", {"Authorization": BEARER}, PICTURE))
        await connection.ended
        assert connection.received.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 401 " in connection.received
        assert (await self.post(Authorization=f"Bearer {new}")).status == 200

    async def test_signed_urls(self) -> None:
        """A post to one needs no token. It is for its namespace, until it expires."""
        await self.serve()
        target = upload_url()
        assert (await self.post(target)).json()["hash"] == HASH
        assert (await self.post(target)).status == 200
        assert (await self.post(f"{target}&outputs=x30.jpg")).status == 200
        for wrong in (
            target.replace("/p?", "/q?"),
            target.replace("/p?", "/%70?"),
            upload_url(seconds=-1),
            target[:-1],
            target.replace("e=", "e=1"),
        ):
            refused = await self.post(wrong)
            assert (refused.status, "www-authenticate" in refused.headers) == (403, False)
        assert (await self.post(f"{target}&e=1")).status == 400
        assert (await self.post(f"{target}&x=1")).status == 400

    async def test_a_source_is_not_for_signed_urls(self) -> None:
        """A browser may not make this server fetch something; the signature does not cover a source."""
        await self.serve()
        for body in (b"", PICTURE):
            refused = await self.post(upload_url(source="http://127.0.0.1:1/a.jpg"), body)
            assert (refused.status, "takes a picture as the body" in refused.error) == (403, True)

    async def test_the_size_of_an_upload(self) -> None:
        """A signed size bounds a body of a known length, one in chunks, and a whole form."""
        await self.serve()
        size = len(PICTURE)
        form = part('name="a"; filename="a.jpg"', PICTURE) + b"--cut--\r\n"
        for most, body, headers, whole in (
            (size, PICTURE, {}, size),
            (size, chunked(PICTURE[:99], PICTURE[99:]), {"Transfer_Encoding": "chunked"}, size),
            (len(form), form, {"Content_Type": FORM}, len(form)),
        ):
            assert (await self.post(upload_url(most), body, **headers)).json()["hash"] == HASH
            refused = await self.post(upload_url(most - 1), body, **headers)
            assert refused.status == 413
            assert f"more than {whole - 1} bytes" in refused.error

    async def test_a_signed_size_is_no_larger_than_that_of_the_server(self) -> None:
        """`sources.maximum_bytes` stays the upper limit."""
        await self.serve(sources={"maximum_bytes": 100})
        assert (await self.post(upload_url(10**9))).status == 413

    async def test_an_announced_size_is_refused_before_the_body(self) -> None:
        """The client need not send what is too large."""
        await self.serve()
        connection = await self.begin("POST", upload_url(1000), Content_Length="1001")
        assert (await connection.answer()).status == 413


class TestOpenWriting(ServiceTestCase):
    """A daemon without tokens on a loopback address."""

    async def test_proxies_that_say_so_are_refused(self) -> None:
        """Their clients may be anywhere. A header for another server does not matter."""
        await self.serve()
        assert (await self.post(Authorization="Basic dTpw")).status == 200
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            refused = await self.post("/p", PICTURE, **{header: "192.0.2.1"})
            assert (refused.status, "only programs on this machine" in refused.error) == (403, True)
            assert (await self.get(f"{HOME}/original", **{header: "192.0.2.1"})).status == 200

    async def test_connections_with_a_proxy_header_are_refused(self) -> None:
        """A header without an address may stand for any client, and one with a local address for one behind it."""
        await self.serve(limits={"trusted_proxies": ["127.0.0.1"], "proxy_protocol": True})
        start = b"\r\n\r\n\x00\r\nQUIT\n"
        for header in (
            b"PROXY UNKNOWN\r\n",
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
            start + b"\x21\x00\x00\x00",
            start + b"\x20\x00\x00\x00",
            start + b"\x21\x31\x00\xd8" + bytes(216),
        ):
            connection = await connect(self.url)
            connection.send(header + request("POST", "/p", body=PICTURE))
            refused = await connection.answer()
            assert (refused.status, "only programs on this machine" in refused.error) == (403, True)

    async def test_pages_of_other_hosts_are_refused(self) -> None:
        """Any page of the web can make a browser on this machine post; one of the same host, such as /try, may."""
        await self.serve(
            images={"allow_origins": ["https://www.example.com"]}, status={"allow_hosts": ["Status.example.com"]}
        )
        for origin, host, status in (
            ("https://evil.example", "localhost:7000", 403),
            ("http://localhost.evil.example:7002", "localhost:7000", 403),
            ("null", "localhost:7000", 403),
            ("file://", "localhost:7000", 403),
            ("http://evil.example:7000", "evil.example:7000", 403),
            ("http://evil.example:7000", "evil.example", 403),
            ("http://[", "localhost:7000", 403),
            ("http://192.0.2.1", "localhost:7000", 403),
            ("http://status.example.com:7002", "status.example.com:7000", 200),
            ("http://a.localhost:7002", "a.localhost:7000", 200),
            ("http://localhost:7002", "localhost:7000", 200),
            ("http://LOCALHOST", "localhost", 200),
            ("http://[::1]:7002", "[::1]:7000", 200),
            ("https://www.example.com", "localhost:7000", 200),
        ):
            assert (await self.post(Origin=origin, Host=host)).status == status, origin

    async def test_open_to_all(self) -> None:
        """The settings may say that every client writes."""
        await self.serve(access={"open": True})
        assert (await self.post(X_Forwarded_For="192.0.2.1")).status == 200
