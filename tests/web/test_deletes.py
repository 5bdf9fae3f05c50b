"""DELETE of a picture, or of its outputs, over a socket."""

from __future__ import annotations

import hashlib

from service_case import HASH, HOME, IMAGE, PICTURE, ServiceTestCase, until

from imaged.core.errors import StoreUnavailableError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.outputs import parse

NAMES = ("original", "info.json", "x30.jpg", "x31.jpg", "x30.auto", "srcset")


class TestErase(ServiceTestCase):
    """DELETE /NAMESPACE/HASH."""

    async def erase(self, target: str = HOME) -> int:
        """Erase the picture; return the status."""
        return (await self.ask("DELETE", target)).status

    async def check_gone(self) -> None:
        """Check that no store has anything of the picture, and that each answer says that it was erased."""
        for name in NAMES:
            answer = await self.get(f"{HOME}/{name}")
            assert (answer.status, answer.headers["cache-control"]) == (410, "no-store"), name
            assert answer.json() == {"error": f"p/{HASH} was erased"}
            assert (await self.ask("HEAD", f"{HOME}/{name}")).status == 410
        assert (await self.get(HOME)).status == (await self.ask("HEAD", f"/p/{HASH}")).status == 410
        assert not self.store.layout.folder(IMAGE).exists()
        assert [key for key in self.service_harness.files if ".erased/" not in key] == []

    async def test_an_erased_picture_is_gone(self) -> None:
        """Also an output that clients got at once because it had been asked for before."""
        await self.serve()
        await self.post("/p?outputs=x30.jpg")
        await until(lambda: self.store.has(IMAGE, parse("x30.jpg")))
        for _ in range(3):
            assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        answer = await self.ask("DELETE", HOME)
        assert (answer.status, answer.body) == (204, b"")
        await self.check_gone()
        status = await self.status()
        assert (status["erasures"]["total"], status["erasures"]["queued"]) == (1, 0)
        assert await self.erase() == 204
        assert (await self.ask("POST", f"{HOME}/process?outputs=x30.jpg")).status == 410

    async def test_the_same_bytes_are_a_new_picture(self) -> None:
        """After a post, everything works as before, and nothing but the tombstone was left."""
        await self.serve()
        await self.post()
        assert await self.erase() == 204
        assert (await self.post("/p?outputs=x30.jpg")).status == 200
        assert (await self.get(f"{HOME}/original")).body == PICTURE
        assert (await self.get(f"{HOME}/x31.jpg")).status == 200
        assert await self.erase() == 204
        await self.check_gone()

    async def test_the_path_of_a_picture_that_is_there_is_no_file(self) -> None:
        """Its path takes DELETE alone, without a slash at its end; the errors say so."""
        await self.serve()
        await self.post()
        answer = await self.get(HOME)
        assert (answer.status, "add an output" in answer.json()["error"]) == (404, True)
        answer = await self.ask("PUT", HOME)
        assert (answer.status, answer.headers["allow"]) == (405, "DELETE")
        answer = await self.ask("DELETE", f"{HOME}/")
        assert (answer.status, "remove the slash" in answer.json()["error"]) == (404, True)
        assert (await self.get(f"{HOME}/original")).status == 200

    async def test_a_hash_is_cut_in_any_way(self) -> None:
        """A picture that no store has can be erased, too."""
        await self.serve()
        for target in (f"/p/{HASH}", f"/p/{HASH[:1]}/{HASH[1:]}", HOME):
            assert await self.erase(target) == 204
        assert (await self.get(f"{HOME}/original")).status == 410
        assert (await self.get(f"{HOME.replace('/p/', '/q/')}/original")).status == 404

    async def test_other_methods_and_paths(self) -> None:
        """A path that ends with a hash has no other method; nothing else can be deleted."""
        await self.serve()
        assert (await self.get(HOME)).status == 404
        assert (await self.get(f"{HOME}/outputs")).status == 405
        for target in ("/p", f"{HOME}/original", f"{HOME}/x30.jpg", f"{HOME}/process", "/status_check"):
            assert await self.erase(target) == 405, target
        assert await self.erase(f"/P/{HASH}") == 404

    async def test_a_remote_store_that_is_away_is_202(self) -> None:
        """Everything is gone here, and the queued job does the rest when the store is back."""
        await self.serve()
        await self.post()
        self.service_harness.uploader.failure = StoreUnavailableError("it is away")
        answer = await self.ask("DELETE", HOME)
        assert (answer.status, answer.json()) == (202, {"state": "pending"})
        assert not self.store.layout.folder(IMAGE).exists()
        assert (await self.get(f"{HOME}/original")).status == 410
        status = (await self.status())["erasures"]
        assert status["queued"] + status["current"] == 1
        self.service_harness.uploader.failure = None
        await until(lambda: not any(HASH[6:] in key for key in self.service_harness.files if ".erased/" not in key))
        await self.check_gone()

    async def test_a_client_that_waits_for_a_render_gets_410(self) -> None:
        """The render ends, and nothing keeps or sends its output."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        assert await self.erase() == 204
        self.service_harness.processor.release()
        assert (await connection.answer()).status == 410
        await self.until_stored()
        await self.check_gone()

    async def test_an_older_generation_keeps_nothing(self) -> None:
        """Neither what it renders after a reload, nor what it keeps beside the files of the newer one."""
        await self.serve()
        await self.post()
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        held = self.service_harness.processor
        self.configure(images={"default_quality": 50})
        assert (await self.service.reload()).ok
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        await self.until_stored()
        held.release()
        assert (await connection.answer()).status == 200
        folder = self.store.incoming.folder
        assert await self.erase() == 204
        await until(lambda: not [each for each in folder.iterdir() if each.is_file()])
        await self.check_gone()

    async def test_the_log_and_the_tombstone_name_the_token(self) -> None:
        """It is known who ordered the erasure; without the right token nothing is erased."""
        secret = "a-token-of-forty-characters-is-no-secret"
        await self.serve(access={"tokens": [{"name": "shop", "token": secret, "actions": ["delete"]}]})
        assert await self.erase() == 401
        assert (await self.ask("DELETE", HOME, Authorization=f"Bearer {secret}")).status == 204
        assert [each.by for each in self.store.tombstones.all()] == ["shop"]

    async def test_refuse_again(self) -> None:
        """A picture that the settings refuse is 410 at its post."""
        await self.serve(erase={"refuse_again": True})
        assert await self.erase() == 204
        answer = await self.post()
        assert (answer.status, answer.headers.get("cache-tag")) == (410, f"p-{HASH}")
        await self.check_gone()


class TestForget(ServiceTestCase):
    """DELETE /NAMESPACE/HASH/outputs."""

    async def test_outputs_are_rendered_again(self) -> None:
        """Both stores keep the original and its record alone, until a client asks for an output."""
        await self.serve()
        await self.post("/p?outputs=x30.jpg")
        await until(lambda: f"{HOME}/x30.jpg"[1:] in self.service_harness.files)
        renders = len(self.service_harness.processor.jobs)
        answer = await self.ask("DELETE", f"{HOME}/outputs")
        assert (answer.status, answer.body) == (204, b"")
        assert self.store.files(IMAGE) == [ORIGINAL, RECORD]
        assert sorted(self.service_harness.files) == [f"{HOME[1:]}/info.json", f"{HOME[1:]}/original"]
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        assert len(self.service_harness.processor.jobs) == renders + 1

    async def test_a_remote_store_that_is_away_is_503(self) -> None:
        """Nothing is queued, so the client repeats it. An unknown picture has no outputs, an erased one is 410."""
        await self.serve()
        unknown = hashlib.md5(b"unknown").hexdigest()
        assert (await self.ask("DELETE", f"/p/{unknown}/outputs")).status == 204
        await self.post()
        self.service_harness.uploader.failure = StoreUnavailableError("it is away")
        assert (await self.ask("DELETE", f"{HOME}/outputs")).status == 503
        self.service_harness.uploader.failure = None
        assert (await self.ask("DELETE", HOME)).status == 204
        assert (await self.ask("DELETE", f"{HOME}/outputs")).status == 410
