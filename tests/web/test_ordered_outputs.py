"""Outputs that a post or a process request orders: a token orders any, and its holder gets URLs that work."""

from __future__ import annotations

from time import time
from typing import Any

from service_case import HOME, ServiceTestCase, other_picture

from imaged.core.signatures import sign, upload_message

KEY, TOKEN = "first-key-0123456789", "a-token-0123456789abcdef"
BEARER = f"Bearer {TOKEN}"
LIST = "images: {allowed_outputs: [w30.jpg, w40.auto], outputs: [w60.jpg]}"
KEYS = f"access: {{signing_keys: [{KEY}]}}"


def urls(answer: dict[str, Any]) -> dict[str, str]:
    """Return the URL of each row, by its name."""
    return {row["name"]: row["url"] for row in answer["outputs"]}


class TestWithToken(ServiceTestCase):
    """A namespace with a list, keys and a token."""

    settings = f"{LIST}\naccess: {{signing_keys: [{KEY}], tokens: [{{name: shop, token: {TOKEN}}}]}}"

    async def test_a_token_orders_any_output(self) -> None:
        """The rows of its answers have signed URLs where an output is not public, and those URLs work."""
        await self.serve()
        posted = urls((await self.post("/p?outputs=w30.jpg,w50.jpg", Authorization=BEARER)).json())
        assert posted["w30.jpg"] == f"{HOME}/w30.jpg"
        processed = urls(
            (await self.ask("POST", f"{HOME}/process?outputs=w30.jpg,w50.jpg", Authorization=BEARER)).json()
        )
        assert processed == posted
        for name in ("w50.jpg", "w60.jpg"):
            assert posted[name].startswith(f"{HOME}/{name}?s=")
            assert "&e=" not in posted[name]
        assert [(await self.get(each)).status for each in posted.values()] == [200] * 3

    async def test_the_record_signs_nothing(self) -> None:
        """Any client may read it, so the URLs of its rows have no signature, also for a client with a token."""
        await self.serve()
        posted = (await self.post("/p?outputs=w50.jpg", Authorization=BEARER)).json()
        await self.get(urls(posted)["w50.jpg"])
        await self.until_stored()
        for answer in (await self.get(f"{HOME}/info.json"), await self.get(f"{HOME}/info.json", Authorization=BEARER)):
            found = urls(answer.json())
            assert found["w50.jpg"] == f"{HOME}/w50.jpg"

    async def test_an_upload_url_orders_what_is_listed(self) -> None:
        """Its holder is a browser: it orders no other output, and gets no signature."""
        await self.serve()
        expires = str(int(time()) + 60)
        query = f"e={expires}&s={sign(KEY, upload_message('/p', expires))}"
        assert (await self.post(f"/p?{query}&outputs=w50.jpg")).status == 403
        answer = await self.post(f"/p?{query}&outputs=w30.jpg")
        assert (answer.status, urls(answer.json())["w60.jpg"]) == (200, f"{HOME}/w60.jpg")


class TestWithoutToken(ServiceTestCase):
    """The same without a token: programs of this machine may write."""

    settings = f"{LIST}\n{KEYS}"

    async def test_only_listed_outputs_are_ordered(self) -> None:
        """The refusal comes before the picture is kept, and says what to do."""
        await self.serve()
        refused = await self.post("/p?outputs=w30.jpg,w50.jpg")
        assert (refused.status, refused.headers["cache-control"]) == (403, "no-store")
        assert (
            refused.error
            == "w50.jpg is not listed here, and only a token orders it: leave it out of outputs, or send a token"
        )
        answer = await self.post("/p?outputs=w30.jpg,w40.auto")
        assert answer.status == 200
        assert all("?" not in url for url in urls(answer.json()).values())
        assert (await self.ask("POST", f"{HOME}/process?outputs=w50.jpg")).status == 403
        assert (await self.ask("POST", f"{HOME}/process?outputs=w30.jpg")).status == 200

    async def test_a_list_without_keys_signs_nothing(self) -> None:
        """Rows have plain URLs."""
        self.settings = LIST
        await self.serve(access={"signing_keys": [], "tokens": [{"name": "shop", "token": TOKEN}]})
        answer = await self.post("/p?outputs=w50.jpg", other_picture(), Authorization=BEARER)
        assert answer.status == 200
        assert all("?" not in url for url in urls(answer.json()).values())
