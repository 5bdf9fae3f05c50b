"""Pictures at paths of origins."""

from __future__ import annotations

from typing import Any

from picture_site import PictureSite
from raw_client import Answer
from service_case import HASH, HOME, PICTURE, ServiceTestCase
from twisted.internet.defer import Deferred

SHOES = "/p/@shop/shoes/red.jpg"


class OriginTestCase(ServiceTestCase):
    """Serves with one origin, `shop`, which has a picture at `shoes/red.jpg`."""

    async def open(self, *, ttl_s: float = 3600, **changes: Any) -> PictureSite:
        """Start a site and the daemon."""
        self.site = PictureSite()
        self.site.pictures["shoes/red.jpg"] = PICTURE
        self.origin = {"url": self.site.start(), "namespace": "p", "ttl_s": ttl_s, **changes}
        self.addCleanup(lambda: Deferred.fromCoroutine(self.site.stop()))
        await self.serve(origins={"shop": self.origin})
        return self.site

    async def settle(self) -> None:
        """Wait until no revalidation runs."""
        await self.service.generations.pipeline.tasks.drained()

    async def seen(self, path: str = f"{SHOES}/x30.jpg", **headers: str) -> Answer:
        """Ask for an output, expect it, and wait for what runs behind the answer."""
        answer = await self.get(path, **headers)
        assert answer.status == 200, answer.body
        await self.settle()
        return answer


class TestFetching(OriginTestCase):
    """The first request for a path, and later ones."""

    async def test_the_first_request_fetches_the_original_and_later_ones_do_not(self) -> None:
        """Within its time a path is answered from the store: outputs, original, record and srcset."""
        site = await self.open()
        first = await self.seen()
        for name in ("x30.jpg", "w20.jpg", "original", "info.json", "srcset"):
            assert (await self.get(f"{SHOES}/{name}")).status == 200
        assert site.asked == {"/media/shoes/red.jpg": 1}
        by_hash = await self.get(f"{HOME}/x30.jpg")
        assert first.body == by_hash.body
        assert (await self.get(f"{SHOES}/info.json")).json()["hash"] == HASH
