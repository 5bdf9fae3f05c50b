"""Pictures at paths of origins."""

from __future__ import annotations

import threading
from typing import Any

from picture_site import PictureSite
from raw_client import Answer
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, other_picture, until
from twisted.internet.defer import Deferred

from imaged.core.files import ORIGINAL
from imaged.core.signatures import read_message, sign

SHOES = "/p/@shop/shoes/red.jpg"
KEY = "0123456789abcdefghijklmnopqrstuv"


class OriginTestCase(ServiceTestCase):
    """Serves with one origin, `shop`, which has a picture at `shoes/red.jpg`."""

    async def open(self, *, ttl_s: float = 3600, origin: dict[str, Any] | None = None, **changes: Any) -> PictureSite:
        """Start a site and the daemon, with these settings."""
        self.site = PictureSite()
        self.site.pictures["shoes/red.jpg"] = PICTURE
        self.shop = {"url": self.site.start(), "namespace": "p", "ttl_s": ttl_s, **(origin or {})}
        self.addCleanup(lambda: Deferred.fromCoroutine(self.site.stop()))
        await self.serve(origins={"shop": self.shop}, **changes)
        return self.site

    async def settle(self) -> None:
        """Wait for what runs behind the answers."""
        await self.service.generations.pipeline.tasks.drained()

    async def seen(self, path: str = f"{SHOES}/x30.jpg", **headers: str) -> Answer:
        """Ask for an output, expect it, and wait for what runs behind the answer."""
        answer = await self.get(path, **headers)
        assert answer.status == 200, answer.body
        await self.settle()
        return answer


class TestOrigins(OriginTestCase):
    """The first request for a path, and later ones."""

    async def test_the_first_request_fetches_the_original_and_later_ones_do_not(self) -> None:
        """Within its time a path is answered from the store: outputs, original, record and srcset."""
        site = await self.open()
        first = await self.seen()
        for name in ("x30.jpg", "w20.jpg", "original", "info.json", "srcset"):
            assert (await self.get(f"{SHOES}/{name}")).status == 200
        assert site.asked == {"/media/shoes/red.jpg": 1}
        assert first.body == (await self.get(f"{HOME}/x30.jpg")).body
        assert (await self.get(f"{SHOES}/info.json")).json()["hash"] == HASH
        assert (await self.get(f"{SHOES}/original")).body == PICTURE
        assert first.headers["cache-tag"] == f"p-{HASH}"

    async def test_24_clients_of_an_unseen_path_cost_one_fetch(self) -> None:
        """All wait for it, and get the output."""
        site = await self.open()
        site.hold()
        clients = [await self.begin("GET", f"{SHOES}/x30.jpg") for _ in range(24)]
        await until(lambda: site.asked)
        site.release()
        answers = [await each.answer() for each in clients]
        assert {each.status for each in answers} == {200}
        assert sum(site.asked.values()) == 1

    async def test_the_origin_gets_the_path_and_the_headers_of_the_settings(self) -> None:
        """It gets no query, no cookie and no other header of the client."""
        site = await self.open(origin={"headers": {"Authorization": "Basic x"}})
        site.pictures["café/a+b #1.jpg"] = PICTURE
        headers = {"cookie": "a=b", "x_secret": "c", "authorization": "Bearer d"}
        answer = await self.get("/p/@shop/caf%C3%A9/a+b%20%231.jpg/x30.jpg?v=2", **headers)
        assert answer.status == 200
        assert site.asked == {"/media/caf%C3%A9/a%2Bb%20%231.jpg": 1}
        (sent,) = site.headers
        assert sent["authorization"] == "Basic x"
        assert sent.keys() == {"host", "user-agent", "accept", "accept-encoding", "authorization", "connection"}

    async def test_no_path_reaches_another_place(self) -> None:
        """Such a path is 404, and the origin is not asked."""
        site = await self.open()
        for path in (
            "../a", "a/../../b", "%2e%2e/a", "..%2fa", "%252e%252e/a", "a//b", "/a", "a%5cb", "a%00", "a%0d%0ab",
            "a%3Fb", "https://evil.example/a", "//evil.example/a", "a%ff",
        ):  # fmt: skip
            answer = await self.get(f"/p/@shop/{path}/x30.jpg")
            assert (path, answer.status) == (path, 404)
        for path in (
            "/p/@shop",
            "/p/@shop/",
            "/p/@shop/x30.jpg",
            "/p/@shop//x30.jpg",
            "/p/@/a/x30.jpg",
            "/p/@%ff/a/x30.jpg",
        ):
            assert (path, (await self.get(path)).status) == (path, 404)
        for path in (
            "/p/@%ff/a/x30.jpg",
            "/p/@other/a/x30.jpg",
            "/q/@shop/shoes/red.jpg/x30.jpg",
            "/P/@shop/shoes/red.jpg/x30.jpg",
        ):
            assert (path, (await self.get(path)).status) == (path, 404)
        assert site.asked == {}

    async def test_a_refusal_fetches_nothing(self) -> None:
        """An unknown name, an output that the namespace does not allow, and another method."""
        site = await self.open(images={"maximum_width": 100})
        for name, status in (
            ("nonsense", 404),
            ("w200.jpg", 406),
            ("w50.tiff", 406),
            ("hero.jpg", 404),
            ("process", 404),
        ):
            assert (name, (await self.get(f"{SHOES}/{name}")).status) == (name, status)
        for method in ("POST", "DELETE", "PUT"):
            assert (await self.ask(method, f"{SHOES}/x30.jpg")).status == 405
        assert site.asked == {}

    async def test_head_is_the_head_of_get(self) -> None:
        """It fetches the original, too."""
        await self.open()
        head = await self.ask("HEAD", f"{SHOES}/x30.jpg")
        await self.settle()
        got = await self.get(f"{SHOES}/x30.jpg")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.body))

    async def test_caches_keep_an_answer_while_the_path_is_fresh(self) -> None:
        """An output and the original last for the rest of the time, a preset for five minutes at most."""
        await self.open(images={"presets": {"hero": {"size": "w30"}}})
        for name, most_s in (("x30.jpg", 3600), ("w30.auto", 3600), ("original", 3600), ("hero.jpg", 300)):
            for _ in range(3):
                age = (await self.seen(f"{SHOES}/{name}")).headers["cache-control"].removeprefix("public, max-age=")
                assert most_s - 60 < int(age) <= most_s

    async def test_caches_keep_a_stale_answer_for_a_minute_at_most(self) -> None:
        """The origin is asked behind it. A shorter time of the origin holds for caches, too."""
        await self.open(ttl_s=0)
        for _ in range(3):
            assert (await self.seen()).headers["cache-control"] == "public, max-age=0"

    async def test_a_changed_picture_has_another_tag_and_a_later_date(self) -> None:
        """Clients with the tag or the date of the former picture get the new one, also when it was there before."""
        site = await self.open(ttl_s=0)
        site.pictures["shoes/red.jpg"] = other_picture()
        await self.seen()
        answers = []
        for body in (PICTURE, other_picture()):
            site.pictures["shoes/red.jpg"] = body
            await self.seen()
            answers.append(await self.seen(f"{SHOES}/original"))
            assert answers[-1].body == body
        first, second = (each.headers for each in answers)
        assert first["etag"] != second["etag"]
        assert (await self.get(f"{SHOES}/original", if_none_match=first["etag"])).status == 200
        assert (await self.get(f"{SHOES}/original", if_none_match=second["etag"])).status == 304

    async def test_stale_answers_continue_while_the_origin_is_away(self) -> None:
        """Also for outputs that are rendered now, and after a reload."""
        site = await self.open(ttl_s=0)
        await self.seen()
        await site.stop()
        for name in ("x30.jpg", "w20.jpg", "original", "info.json"):
            await self.seen(f"{SHOES}/{name}")
        assert (await self.service.reload()).ok
        await self.seen(f"{SHOES}/w25.jpg")
        answer = await self.get("/p/@shop/unseen.jpg/x30.jpg")
        assert answer.status == 502
        assert b"127.0.0.1" not in answer.body

    async def test_one_conditional_request_makes_a_path_fresh(self) -> None:
        """304 keeps the picture; a removed one is 404 from the next request."""
        site = await self.open(ttl_s=0)
        await self.seen()
        await self.seen()
        assert (site.conditional, site.unchanged) == (1, 1)
        site.pictures.clear()
        await self.seen()
        assert (await self.get(f"{SHOES}/x30.jpg")).status == 404
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_what_is_no_picture_is_415(self) -> None:
        """A page is no original, and is not fetched for each request."""
        site = await self.open()
        site.pictures["index.html"] = b"<html>" * 100
        for _ in range(2):
            assert (await self.get("/p/@shop/index.html/x30.jpg")).status == 415
        assert site.asked == {"/media/index.html": 1}

    async def test_a_path_that_was_served_is_a_hit(self) -> None:
        """The next requests for a fresh path are answered at once; a stale one is not kept."""
        await self.open()
        answers = [await self.seen() for _ in range(3)]
        assert len({each.headers["etag"] for each in answers}) == 1
        requests = (await self.status())["requests"]
        assert (requests["hits"], requests["rendered"]) == (2, 1)

    async def test_srcset_has_paths_of_the_origin(self) -> None:
        """As the client wrote them, so they stay fresh with the origin."""
        site = await self.open()
        site.pictures["a b@2x.jpg"] = PICTURE
        described = (await self.get("/p/@shop/a%20b@2x.jpg/srcset?widths=10&as=json")).json()
        assert described["src"] == "/p/@shop/a%20b@2x.jpg/w10.auto"
        assert (await self.get(described["src"])).status == 200

    async def test_outputs_that_are_not_listed_need_a_signature_of_the_path_as_sent(self) -> None:
        """The path is not decoded before it is signed; without a signature nothing is fetched."""
        site = await self.open(
            images={"allowed_outputs": ["x30.jpg"], "public_original": False}, access={"signing_keys": [KEY]}
        )
        site.pictures["é.jpg"] = PICTURE
        for name in ("w20.jpg", "original"):
            path = f"/p/@shop/%c3%a9.jpg/{name}"
            signature = sign(KEY, read_message(path))
            for _ in range(3):
                assert (await self.get(path)).status == 403
                assert (await self.get(f"{path}?s={sign(KEY, read_message(path.upper()))}")).status == 403
                assert (await self.get(f"{path.replace('%c3', '%C3')}?s={signature}")).status == 403
            if name == "w20.jpg":
                assert site.asked == {}
            for _ in range(3):
                await self.seen(f"{path}?s={signature}")
        assert (await self.get("/p/@shop/%c3%a9.jpg/x30.jpg")).status == 200
        assert sum(site.asked.values()) == 1

    async def test_fetches_of_a_client_are_limited(self) -> None:
        """A client that invents paths is limited; what was seen costs nothing, and new outputs are counted apart."""
        site = await self.open(limits={"renders_per_minute": 3})
        await self.seen()
        for number in range(2):
            assert (await self.get(f"/p/@shop/{number}.jpg/x30.jpg")).status == 404
        assert (await self.get("/p/@shop/3.jpg/x30.jpg")).status == 429
        for path in (f"{SHOES}/x30.jpg", f"{SHOES}/original", f"{SHOES}/x31.jpg"):
            assert (await self.get(path)).status == 200
        assert (await self.get("/p/@shop/0.jpg/x30.jpg")).status == 404
        assert sum(site.asked.values()) == 3

    async def test_an_erased_picture_stays_erased_although_its_origin_has_it(self) -> None:
        """Its paths are 410, seen or not; the same bytes are not downloaded for each request."""
        site = await self.open()
        await self.seen()
        site.pictures["copy.jpg"] = PICTURE
        assert (await self.ask("DELETE", f"/p/{HASH}")).status == 204
        for path in (SHOES, SHOES, "/p/@shop/copy.jpg", "/p/@shop/copy.jpg"):
            for name in ("x30.jpg", "w20.auto", "original", "info.json", "srcset"):
                assert (path, name, (await self.get(f"{path}/{name}")).status) == (path, name, 410)
        assert site.asked == {"/media/shoes/red.jpg": 1, "/media/copy.jpg": 1}
        assert (await self.get(f"{HOME}/x30.jpg")).status == 410
        assert not any((self.folder / "public" / "p").rglob("*.*"))

    async def test_another_picture_at_the_path_of_an_erased_one_is_served(self) -> None:
        """The origin is asked again after the time of the path, as for any other."""
        site = await self.open(ttl_s=0)
        await self.seen()
        assert (await self.ask("DELETE", f"/p/{HASH}")).status == 204
        for _ in range(2):
            assert (await self.get(f"{SHOES}/x30.jpg")).status == 410
            await self.settle()
        site.pictures["shoes/red.jpg"] = other_picture()
        assert (await self.get(f"{SHOES}/x30.jpg")).status == 410
        await self.settle()
        await self.seen()
        assert not self.store.has(IMAGE, ORIGINAL)

    async def test_an_original_that_the_remote_store_has_lost_is_fetched_again(self) -> None:
        """The record says which picture it is, and no store has it: the origin may."""
        site = await self.open()
        await self.seen()
        self.service_harness.files.clear()
        self.store.path(IMAGE, ORIGINAL).unlink()
        await self.seen(f"{SHOES}/w20.jpg")
        assert site.asked == {"/media/shoes/red.jpg": 2}
        site.pictures.clear()
        self.service_harness.files.clear()
        self.store.path(IMAGE, ORIGINAL).unlink()
        assert (await self.get(f"{SHOES}/w25.jpg")).status == 404


class TestFolders(ServiceTestCase):
    """An origin that is a folder."""

    async def test_its_threads_end_with_their_settings(self) -> None:
        """A reload leaves none behind."""
        media = self.folder / "media"
        media.mkdir()
        (media / "red.jpg").write_bytes(PICTURE)
        await self.serve(origins={"shop": {"path": str(media), "namespace": "p"}})

        def working() -> list[str]:
            return [each.name for each in threading.enumerate() if "origin shop" in each.name]

        assert (await self.get("/p/@shop/red.jpg/original")).body == PICTURE
        assert working()
        assert (await self.service.reload()).ok
        await until(lambda: not working())
