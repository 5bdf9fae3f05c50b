"""The tag of a picture on each of its answers, by which caches purge them."""

from __future__ import annotations

import hashlib

from raw_client import Answer
from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase

from imaged.testing.pictures import make_png

TAG = f"p-{HASH}"


def tags(answer: Answer) -> list[str | None]:
    """Return both headers of an answer."""
    return [answer.headers.get(name) for name in ("cache-tag", "surrogate-key")]


class TestCacheTags(ServiceTestCase):
    """Requests of all kinds about one picture, and about none."""

    async def test_every_answer_of_a_picture_has_its_tag(self) -> None:
        """Each file, the srcset, a part, an unchanged file, a refusal and a post have it once, in both headers."""
        await self.serve()
        answers = {"post": await self.post(), "output": await self.get(f"{HOME}/x30.jpg")}
        await self.until_stored()
        answers |= {"first hit": await self.get(f"{HOME}/x30.jpg"), "hit": await self.get(f"{HOME}/x30.jpg")}
        etag = answers["hit"].headers["etag"]
        answers |= {
            name: await self.get(f"{HOME}/{name}")
            for name in ("original", "info.json", "srcset?outputs=w30.jpg", "w30.auto", "nonsense", "w9999.jpg")
        }
        answers |= {
            "spelling": await self.get(f"/p/{HASH}/x30%2Ejpg"),
            "HEAD": await self.ask("HEAD", f"{HOME}/x30.jpg"),
            "process": await self.ask("POST", f"{HOME}/process?outputs=x30.jpg"),
            "206": await self.get(f"{HOME}/x30.jpg", range="bytes=0-9"),
            "304": await self.get(f"{HOME}/x30.jpg", if_none_match=etag),
            "412": await self.get(f"{HOME}/x30.jpg", if_match='"another"'),
            "416": await self.get(f"{HOME}/x30.jpg", range="bytes=999999-"),
            "405": await self.ask("DELETE", f"{HOME}/x30.jpg"),
            "405 with a body": await self.ask("PUT", f"{HOME}/x30.jpg", PICTURE),
            "no file": await self.get(HOME),
            "missing": await self.get(f"/p/{'0' * 32}/x30.jpg"),
        }
        statuses = {name: answers[name].status for name in ("206", "304", "412", "416", "missing", "nonsense")}
        assert statuses == {"206": 206, "304": 304, "412": 412, "416": 416, "missing": 404, "nonsense": 404}
        assert tags(answers.pop("missing")) == [f"p-{'0' * 32}"] * 2
        assert {name: tags(answer) for name, answer in answers.items()} == dict.fromkeys(answers, [TAG] * 2)
        assert IMAGE.cache_tag == TAG

    async def test_a_connection_carries_no_tag_to_the_next_answer(self) -> None:
        """Answers about no picture have no tag, and each picture has its own."""
        await self.serve()
        other = make_png()
        await self.post()
        await self.post(body=other)
        for target, tag in (
            (f"{HOME}/info.json", TAG),
            ("/status_check", None),
            ("/p", None),
            (f"/p/{hashlib.md5(other).hexdigest()}/info.json", f"p-{hashlib.md5(other).hexdigest()}"),
        ):
            assert tags(await self.get(target)) == [tag] * 2

    async def test_a_refused_body_is_tagged_with_the_picture_of_its_path(self) -> None:
        """A request that is refused by its head has a path, which names the picture."""
        await self.serve()
        answer = await self.ask("POST", f"{HOME}/process?nonsense=1", PICTURE)
        assert (answer.status, tags(answer)) == (400, [TAG] * 2)
