"""Signed URLs of a whole daemon: rendered outputs and hits alike, their caching, and what the log shows."""

from __future__ import annotations

import json
from time import time

from raw_client import Answer
from service_case import HASH, HOME, ServiceTestCase

from imaged.core.signatures import read_message, sign

FIRST, SECOND = "first-key-0123456789", "second-key-0123456789"
YEAR = "public, max-age=31536000, immutable"


def signed(path: str, expires: int | None = None, key: str = FIRST) -> str:
    """Return the signed URL of a path."""
    expiry = None if expires is None else str(expires)
    query = f"?s={sign(key, read_message(path, expiry))}"
    return f"{path}{query}" if expiry is None else f"{path}{query}&e={expiry}"


class TestSignedReads(ServiceTestCase):
    """A namespace whose list has a few outputs, and whose originals are not public."""

    settings = f"""
images: {{allowed_outputs: ["w{{30,40}}.{{auto,jpg}}"], public_original: false}}
namespaces: {{closed: {{allowed_outputs: [none]}}}}
access: {{signing_keys: [{FIRST}]}}
"""

    async def start(self) -> None:
        """Start, and post a picture to both namespaces."""
        await self.serve()
        assert {(await self.post(target)).status for target in ("/p", "/closed")} == {200}

    async def thrice(self, target: str, **headers: str) -> Answer:
        """Ask for an output when it is new, when it is stored, and as a hit; return the last answer."""
        answers = [await self.get(target, **headers)]
        await self.until_stored()
        answers += [await self.get(target, **headers) for _ in range(2)]
        assert len({(each.status, each.body, each.headers["cache-control"]) for each in answers}) == 1
        return answers[-1]

    async def test_a_listed_output_needs_no_signature(self) -> None:
        """It has the caching of any output, also with a signature that would have expired."""
        await self.start()
        for path in (f"{HOME}/w30.jpg", f"{HOME}/w40.auto"):
            for target in (path, f"{path}?s=wrong&e=1&v=7"):
                answer = await self.thrice(target)
                assert (answer.status, answer.headers["cache-control"]) == (200, YEAR)

    async def test_each_request_for_another_one_is_checked(self) -> None:
        """A hit of a signed URL opens it for no request without a signature."""
        await self.start()
        for path in (f"{HOME}/w50.jpg", f"{HOME}/w50.auto", f"{HOME}/original", f"{HOME}/w30.png"):
            answer = await self.thrice(signed(path))
            assert (answer.status, answer.headers["cache-control"]) == (200, YEAR)
            for target in (path, f"{path}?s={'A' * 22}", f"{signed(path)}A", f"{signed(path)}&e=9999999999"):
                for method in ("GET", "HEAD"):
                    refused = await self.ask(method, target)
                    assert (refused.status, refused.headers["cache-control"]) == (403, "no-store")
            assert (await self.ask("HEAD", signed(path))).status == 200
            assert (await self.get(f"{signed(path)}&v=7")).status == 200  # other parameters are not looked at
            tag = answer.headers["etag"]
            assert (await self.get(signed(path), If_None_Match=tag)).status == 304
            assert (await self.get(path, If_None_Match=tag)).status == 403

    async def test_what_auto_stands_for_is_not_listed(self) -> None:
        """A list that has w30.auto opens no w30.webp, which that may be."""
        await self.start()
        assert (await self.thrice(f"{HOME}/w30.auto", Accept="image/webp")).headers["content-type"] == "image/webp"
        assert (await self.get(f"{HOME}/w30.webp")).status == 403

    async def test_an_answer_is_not_cached_beyond_the_expiry(self) -> None:
        """The age ends with the URL: for a new output, a hit, an original, and what is not modified."""
        await self.start()
        for name in ("w50.jpg", "w50.auto", "original"):
            target = signed(f"{HOME}/{name}", int(time()) + 1000)
            for number in range(3):
                answer = await self.get(target)
                await self.until_stored()
                assert 900 < int(answer.headers["cache-control"].removeprefix("public, max-age=")) <= 1000, number
            unchanged = await self.get(target, If_None_Match=answer.headers["etag"])
            assert (unchanged.status, "max-age=31536000" in unchanged.headers["cache-control"]) == (304, False)
            expired = await self.get(signed(f"{HOME}/{name}", int(time()) - 1))
            assert (expired.status, expired.headers["cache-control"]) == (403, "no-store")
            assert "this URL has expired at 20" in expired.json()["error"]

    async def test_a_repeated_parameter_is_refused(self) -> None:
        """Two signatures, or two times, are 400, for hits as well."""
        await self.start()
        for path in (f"{HOME}/w30.jpg", signed(f"{HOME}/w50.jpg").partition("?")[0]):
            await self.thrice(signed(path))
            for query in ("s=a&s=b", "e=1&e=1", "s=a&v=1&s=a"):
                assert (await self.get(f"{path}?{query}")).status == 400

    async def test_names_come_before_signatures(self) -> None:
        """What is no output is not found; what a policy refuses is refused to clients with a signature."""
        await self.start()
        assert (await self.get(f"{HOME}/w050.jpg")).status == 404
        assert (await self.get(f"{HOME}/w50")).status == 404
        assert [(await self.get(each)).status for each in (f"{HOME}/w9999.jpg", signed(f"{HOME}/w9999.jpg"))] == [
            403,
            406,
        ]
        missing = f"/p/{'0' * 32}/w50.jpg"
        assert [(await self.get(each)).status for each in (missing, signed(missing))] == [403, 404]

    async def test_a_whole_url_is_signed_by_its_path(self) -> None:
        """A target with a host, as proxies may send it, is the same URL."""
        await self.start()
        assert (await self.get(f"http://img.example.com{signed(f'{HOME}/w50.jpg')}")).status == 200

    async def test_another_spelling_needs_its_own_signature(self) -> None:
        """The path is signed as it is sent."""
        await self.start()
        path = f"/p/{HASH}/w50.jpg"
        assert (await self.get(path + signed(f"{HOME}/w50.jpg").removeprefix(f"{HOME}/w50.jpg"))).status == 403
        assert (await self.thrice(signed(path))).status == 200

    async def test_descriptions_are_public_where_an_output_is(self) -> None:
        """The `<img>` names listed outputs alone; where no output is public, there is neither record nor `<img>`."""
        await self.start()
        assert (await self.get(f"{HOME}/info.json")).status == 200
        found = (await self.get(f"{HOME}/srcset?as=json")).json()
        assert found["srcset"] == f"{HOME}/w30.auto 30w, {HOME}/w40.auto 40w"
        home = HOME.replace("/p/", "/closed/")
        for name in ("info.json", "srcset", "w30.jpg", "original"):
            assert (await self.get(f"{home}/{name}")).status == 403
        assert (await self.get(signed(f"{home}/info.json"))).status == 200
        refused = await self.get(signed(f"{home}/srcset"))
        assert (refused.status, "the list of this namespace has none" in refused.json()["error"]) == (403, True)

    async def test_a_reload_changes_keys_and_lists(self) -> None:
        """A new key may sign while an old one still verifies; a key that is taken out verifies nothing."""
        await self.start()
        path = f"{HOME}/w50.jpg"
        assert (await self.thrice(signed(path))).status == 200
        for keys, expected in (([SECOND, FIRST], [200, 200]), ([SECOND], [403, 200])):
            self.configure(access={"signing_keys": keys})
            await self.service.reload()
            found = [(await self.get(signed(path, None, key))).status for key in (FIRST, SECOND)]
            assert found == expected
        self.configure(images={"allowed_outputs": ["w50.jpg"]})
        await self.service.reload()
        assert [(await self.get(f"{HOME}/{name}")).status for name in ("w50.jpg", "w30.jpg")] == [200, 403]

    async def test_no_log_shows_a_signature(self) -> None:
        """Neither a request line nor an error has the value of s."""
        await self.start()
        good, wrong = signed(f"{HOME}/w50.jpg", int(time()) + 90), f"{HOME}/w50.jpg?s=ABCDEFGHIJKLMNOPQRSTUV"
        await self.thrice(good)
        refused = await self.get(wrong)
        repeated = await self.get(f"{wrong}&s=ABCDEFGHIJKLMNOPQRSTUV")
        assert (refused.status, repeated.status) == (403, 400)
        logged = self.log.getvalue() + json.dumps(await self.status()) + str(refused.body + repeated.body)
        assert "w50.jpg?s=..." in logged
        for secret in (good.partition("s=")[2][:22], "ABCDEFGHIJKLMNOPQRSTUV", FIRST):
            assert secret not in logged
