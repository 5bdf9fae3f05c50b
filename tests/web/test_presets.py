"""What caches learn of presets, whose URL answers something else after a change of the settings."""

from __future__ import annotations

from service_case import HOME, ServiceTestCase

LASTING = "public, max-age=31536000, immutable"


class TestPresets(ServiceTestCase):
    """Requests for presets."""

    async def test_caches_keep_a_preset_for_minutes(self) -> None:
        """A preset may be kept for five minutes, rendered or stored; a plain name for a year."""
        await self.serve(images={"presets": {"hero": {"size": "x20"}}})
        await self.post()
        for _ in range(3):
            for name in ("hero.jpg", "hero.auto"):
                assert (await self.get(f"{HOME}/{name}")).headers["cache-control"] == "public, max-age=300"
            assert (await self.get(f"{HOME}/x20.jpg")).headers["cache-control"] == LASTING
            await self.until_stored()

    async def test_the_tag_of_a_preset_changes_with_it(self) -> None:
        """A client that has the old preset gets the new one after a reload, even if size and time are the same."""
        await self.serve(images={"presets": {"hero": {"size": "x20"}}})
        await self.post()
        for name in ("hero.jpg", "hero.auto"):
            etags = set()
            for size in ("x20", "x21"):
                self.configure(images={"presets": {"hero": {"size": size}}})
                assert (await self.service.reload()).ok
                for _ in range(3):
                    answer = await self.get(f"{HOME}/{name}")
                    etags.add(answer.headers["etag"].split("-", 2)[2])
                    again = await self.get(f"{HOME}/{name}", If_None_Match=answer.headers["etag"])
                    assert again.status == 304
                    await self.until_stored()
            assert len(etags) == 2
