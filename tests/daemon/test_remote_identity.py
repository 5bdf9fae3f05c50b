"""The identity of an uploader tells remote stores apart; its text for the status page does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import service_harness
from service_case import HOME, ServiceTestCase, until

from imaged.testing.fakes import MemoryUploader

KEYS = [f"pub{HOME}/{name}" for name in ("info.json", "original", "x30.jpg")]


class Quiet(MemoryUploader):
    """Has no text for the status page; `asked` collects the prefixes that uploaders of this class have listed."""

    detail = ""
    identity = "store.example/one"
    asked: list[str] = []  # noqa: RUF012  # of all of them, and emptied by the tests

    async def list(self, prefix: str) -> Sequence[str]:
        """Collect the prefix."""
        self.asked.append(prefix)
        return await super().list(prefix)


class Elsewhere(Quiet):
    """The same plugin with another bucket."""

    identity = "store.example/two"


class Renamed(Quiet):
    """A newer version of the first one, with an identity, and the text that the older version was known by."""

    detail = "the store at store.example, version 2"
    identity = "store.example/first"
    noted_as = "one bucket at store.example"


class TestIdentity(ServiceTestCase):
    """A change of the store, and a change of its text alone."""

    async def fill(self) -> None:
        """Store a picture and an output, locally and in the first store."""
        Quiet.asked.clear()
        self.patch(service_harness, "MemoryUploader", Quiet)
        await self.serve(remote={"base_path": "pub"})
        await self.post("/p?outputs=x30.jpg")
        await until(lambda: sorted(self.service_harness.files) == KEYS)

    async def test_another_bucket_gets_everything(self) -> None:
        """Though the plugin's text on the status page stays the same."""
        await self.fill()
        self.service_harness.files = {}
        self.patch(service_harness, "MemoryUploader", Elsewhere)
        await self.service.reload()
        await until(lambda: sorted(self.service_harness.files) == KEYS)

    async def test_an_upgrade_that_changes_the_text_lists_nothing_again(self) -> None:
        """The uploads recorded under the old text count for the identity."""
        await self.fill()
        await self.stop()
        queue = sqlite3.connect(self.folder / "state" / "jobs.sqlite")
        with queue:
            queue.execute("UPDATE remotes SET name = 'harness one bucket at store.example pub'")
        Quiet.asked.clear()
        self.service_harness.files.clear()  # a second upload would appear here
        self.patch(service_harness, "MemoryUploader", Renamed)
        await self.serve(remote={"base_path": "pub"})
        names = "SELECT remotes.name, acknowledged.name FROM acknowledged JOIN remotes ON id = remote"
        taken = [("harness store.example/first pub", key.rpartition("/")[2]) for key in KEYS]
        await until(lambda: sorted(queue.execute(names).fetchall()) == taken)
        await until(lambda: self.service.remote_watch.compared is not None)
        await self.stop()
        queue.close()
        assert [prefix for prefix in Quiet.asked if "imaged" not in prefix and ".erased" not in prefix] == []
        assert self.service_harness.files == {}
