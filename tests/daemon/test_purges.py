"""Purges of caches through the whole daemon: settings, DELETE, the queue and the status."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from service_case import HASH, HOME, IMAGE, ServiceTestCase, until
from service_harness import NAME

from imaged.core.errors import PluginFailedError, StoreError


class TestPurges(ServiceTestCase):
    """A daemon with one purger."""

    async def test_delete_answers_204_when_the_caches_are_purged(self) -> None:
        """The purger gets the tag; the status page lists the plugin; the queue purges once more later."""
        await self.serve(purgers=[NAME])
        await self.post()
        assert (await self.ask("DELETE", HOME)).status == 204
        ((tag, paths),) = self.service_harness.purger.purges
        assert tag == f"p-{HASH}"
        assert f"{HOME}/original" in paths
        assert {"name": NAME, "kind": "purger"}.items() <= next(
            plugin for plugin in (await self.status())["plugins"] if plugin["kind"] == "purger"
        ).items()
        assert self.queued() == ["info.json", "original"]

    async def test_a_purge_that_fails_for_good_counts_as_an_erasure(self) -> None:
        """DELETE answers 202. A job that the plugin's author has to mend counts as a failed erasure."""
        await self.serve(purgers=[NAME])
        await self.post()
        self.service_harness.purger.failure = StoreError("no answer")
        assert (await self.ask("DELETE", HOME)).status == 202
        self.service_harness.purger.failure = PluginFailedError("broken")
        self.make_due()
        await until(self.all_failed)
        status = await self.status()
        assert status["erasures"]["parked"] == 2
        assert [each["request"] for each in status["errors"] if "broken" in each["error"]] == [
            f"purge {IMAGE} original"
        ]

    async def test_a_reload_without_purgers_ends_their_jobs(self) -> None:
        """What is queued for a cache that is gone is done."""
        await self.serve(purgers=[NAME])
        await self.post()
        await self.ask("DELETE", HOME)
        self.configure()
        assert (await self.service.reload()).ok
        self.make_due()
        await until(lambda: not self.queued())
        assert len(self.service_harness.purger.purges) == 1

    def sql(self, statement: str) -> list[str]:
        """Run a statement on the queue's file, and return the first column."""
        with closing(sqlite3.connect(self.folder / "state" / "jobs.sqlite")) as db, db:
            return [row[0] for row in db.execute(statement)]

    def queued(self) -> list[str]:
        """Return the files of the purges that the queue has."""
        return self.sql("SELECT output FROM jobs WHERE kind = 'purge' ORDER BY output")

    def all_failed(self) -> bool:
        """Say whether all purges have failed for good."""
        return not self.sql("SELECT 1 FROM jobs WHERE kind = 'purge' AND state <> 'parked'")

    def make_due(self) -> None:
        """Let the queued purges run now."""
        self.sql("UPDATE jobs SET due_at = 0 WHERE kind = 'purge'")
        self.service.generations.pipeline.jobs._wake["purge"]()
