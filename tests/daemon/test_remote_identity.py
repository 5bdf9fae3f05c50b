"""Which remote store is which is told by an uploader's identity, and by no word that it has for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import service_harness
from service_case import HOME, ServiceTestCase, until

from imaged.testing.fakes import MemoryUploader

KEYS = [f"pub{HOME}/{name}" for name in ("info.json", "original", "x30.jpg")]


class Quiet(MemoryUploader):
    """Has nothing to say for the status page; `asked` is what any of its kind has been asked to list."""

    detail = ""
    identity = "store.example/one"
    asked: list[str] = []  # noqa: RUF012  # of all of them, and emptied by the tests

    async def list(self, prefix: str) -> Sequence[str]:
        """Note it."""
        self.asked.append(prefix)
        return await super().list(prefix)


class Elsewhere(Quiet):
    """The same plugin, with another bucket in its settings."""

    identity = "store.example/two"


class Renamed(Quiet):
    """The first of these as a newer version has it: with a new text, and the one by which it was remembered."""

    detail = "the store at store.example, version 2"
    identity = "store.example/first"
    noted_as = "one bucket at store.example"


class TestIdentity(ServiceTestCase):
    """A store that is another, and one that only looks so."""

    async def fill(self) -> None:
        """Keep a picture and an output, here and in the first store."""
        Quiet.asked.clear()
        self.patch(service_harness, "MemoryUploader", Quiet)
        await self.serve(remote={"base_path": "pub"})
        await self.post("/p?outputs=x30.jpg")
        await until(lambda: sorted(self.service_harness.files) == KEYS)

    async def test_another_bucket_gets_everything(self) -> None:
        """Though the plugin shows the same as before, which is nothing."""
        await self.fill()
        self.service_harness.files = {}
        self.patch(service_harness, "MemoryUploader", Elsewhere)
        await self.service.reload()
        await until(lambda: sorted(self.service_harness.files) == KEYS)

    async def test_an_upgrade_that_changes_the_words_lists_nothing_again(self) -> None:
        """What was noted under the old text is taken over, once."""
        await self.fill()
        await self.stop()
        queue = sqlite3.connect(self.folder / "state" / "jobs.sqlite")
        with queue:
            queue.execute("UPDATE remotes SET name = 'stage one bucket at store.example pub'")
        Quiet.asked.clear()
        self.service_harness.files.clear()  # what would be uploaded again, would be here
        self.patch(service_harness, "MemoryUploader", Renamed)
        await self.serve(remote={"base_path": "pub"})
        names = "SELECT remotes.name, acknowledged.name FROM acknowledged JOIN remotes ON id = remote"
        taken = [("stage store.example/first pub", key.rpartition("/")[2]) for key in KEYS]
        await until(lambda: sorted(queue.execute(names).fetchall()) == taken)
        await until(lambda: self.service.remote_watch.compared is not None)
        await self.stop()
        queue.close()
        assert [prefix for prefix in Quiet.asked if "imaged" not in prefix] == []
        assert self.service_harness.files == {}
