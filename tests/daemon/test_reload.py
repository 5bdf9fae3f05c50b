"""Reload is all or nothing: a good file is a new generation, a bad one changes nothing and says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import service_harness
from raw_client import pause
from service_case import HOME, IMAGE, ServiceTestCase, until
from service_harness import NAME
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import capturedLogs

from imaged.api import Rendered, RenderJob
from imaged.core.files import parse_file
from imaged.testing.fakes import StillProcessor


class TestGoodFile(ServiceTestCase):
    """A reload with valid settings."""

    async def test_new_requests_use_the_new_settings(self) -> None:
        """From the end of the reload on."""
        await self.serve()
        await self.post()
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200
        self.configure(images={"maximum_width": 20})
        await self.service.reload()
        assert (await self.get(f"{HOME}/x30.jpg")).status == 406
        generation = (await self.status())["generation"]
        assert (generation["number"], generation["last_reload"]["ok"], generation["last_reload"]["errors"]) == (
            2,
            True,
            [],
        )

    async def test_the_old_plugins_are_closed_once(self) -> None:
        """They are closed after the last lease of their generation; the new ones stay open."""
        await self.serve()
        await self.service.reload()
        old, new = ([made[place] for made in self._plugins()] for place in (0, 1))
        await until(lambda: all(each.closed for each in old))
        await self.service.reload()
        await until(lambda: all(each.closed for each in new))
        assert [each.closed for each in (*old, *new)] == [1] * 6
        assert [made[-1].closed for made in self._plugins()] == [0] * 3
        await self.stop()
        assert [each.closed for made in self._plugins() for each in made] == [1] * 9

    async def test_requests_in_flight_keep_their_generation(self) -> None:
        """They end with the plugins that they began with, which are closed only then."""
        await self.serve()
        await self.post()
        old = self.service_harness.processor
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        self.configure(images={"maximum_width": 20})
        await self.service.reload()
        assert (await self.get(f"{HOME}/x10.jpg")).status == 200
        assert old.closed == 0
        old.release()
        assert (await connection.answer()).status == 200
        await until(lambda: old.closed)
        assert len(old.jobs) == 1
        assert old.closed == 1

    async def test_work_without_its_client_keeps_its_generation(self) -> None:
        """A render whose client has left keeps its plugins."""
        await self.serve()
        await self.post()
        old = self.service_harness.processor
        connection = await self.begin_held_render(f"{HOME}/x30.jpg")
        connection.leave()
        await until(lambda: self.service.generations.current.leases == 0)
        await self.service.reload()
        await self.get("/status_check")
        assert old.closed == 0
        old.release()
        await until(lambda: old.closed)
        assert self.store.has(IMAGE, parse_file("x30.jpg"))

    async def test_counters_survive(self) -> None:
        """They belong to the process, not to the generation."""
        await self.serve()
        await self.post()
        await self.service.reload()
        assert (await self.status())["posting"]["total"] == 1

    def _plugins(self) -> tuple[list[Any], list[Any], list[Any]]:
        return self.service_harness.processors, self.service_harness.uploaders, self.service_harness.sinks


class TestRequests(ServiceTestCase):
    """Reload requests: one reload at a time, and one for all requests that wait."""

    async def test_requests_at_once_are_coalesced(self) -> None:
        """A burst of signals causes one reload; each request gets its outcome."""
        await self.serve()
        outcomes = await gatherResults([self.service.reload() for _ in range(5)])
        assert self.service.generations.current.number == 2
        assert {outcome.ok for outcome in outcomes} == {True}

    async def test_cached_originals_need_a_remote_store(self) -> None:
        """Without one, a forgotten original could not come back."""
        await self.serve()
        self.configure(store={"originals": "cached"}, uploader="noop")
        (fault,) = (await self.service.reload()).errors
        assert "store.originals: cached needs a remote store" in fault
        self.configure(store={"originals": "cached"})
        assert (await self.service.reload()).ok

    async def test_a_request_during_a_reload_is_served_by_the_next(self) -> None:
        """That one reads what has been written meanwhile."""
        await self.serve()
        first = self.service.reload()
        await until(lambda: len(self.service_harness.processors) == 2)
        self.yaml = "nonsense: 1\n"
        second = self.service.reload()
        assert ((await first).ok, (await second).ok) == (True, False)
        assert self.service.generations.current.number == 2

    async def test_none_begins_during_the_start_of_a_new_process(self) -> None:
        """The new process has inherited the present ports; requests wait until the handover is cancelled."""
        await self.serve()
        await self.service.prepare_handover()
        asked = self.service.reload()
        await pause()
        assert not asked.called
        self.service.reloads.resume()
        assert (await asked).ok

    async def test_a_process_that_shuts_down_refuses_reloads(self) -> None:
        """With an error that says so."""
        await self.serve()
        await self.service.prepare_handover()
        asked = self.service.reload()
        paused = Deferred.fromCoroutine(self.service.pause({"listen", "status.listen"}))
        (fault,) = (await asked).errors
        assert "this process is shutting down" in fault
        await paused

    async def test_an_unexpected_failure_is_an_outcome_too(self) -> None:
        """The daemon keeps serving, and the next reload may succeed."""
        await self.serve()
        self.failure = ZeroDivisionError()
        with capturedLogs() as logged:
            (fault,) = (await self.service.reload()).errors
        assert "ZeroDivisionError" in fault
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1
        assert any("reload failed unexpectedly" in each.get("log_format", "") for each in logged)
        assert (await self.get("/status_check")).status == 200

    async def test_only_a_success_clears_the_warning_of_a_failed_upgrade(self) -> None:
        """A refused reload leaves it in the status line of the service manager."""
        await self.serve()
        self.notifier.warning = "upgrade failed"
        self.yaml, good = "nonsense: 1\n", self.yaml
        await self.service.reload()
        assert self.notifier.warning == "upgrade failed"
        self.yaml = good
        await self.service.reload()
        assert self.notifier.warning == ""

    async def test_a_store_that_takes_no_files(self) -> None:
        """The error has the setting and its line."""
        await self.serve()
        self.configure(store={"path": "/proc/nope"})
        (fault,) = (await self.service.reload()).errors
        assert ": store.path: no files can be kept in /proc/nope" in fault
        assert [each.closed for each in self.service_harness.processors] == [0, 1]


class Labelled(StillProcessor):
    """Appends a line of text to its pictures: the output and its quality."""

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Append output and quality."""
        qualities = {variant.output: variant.quality for variant in job.variants}
        for each in super().render(job):
            yield Rendered(each.output, each.body + f"{each.output} at {qualities[each.output]}".encode())


class TestSameOutput(ServiceTestCase):
    """One output that two generations render."""

    async def test_each_client_gets_its_own_and_the_newer_stays(self) -> None:
        """In whatever order they end, the render of the older settings never replaces that of the newer ones."""
        self.patch(service_harness, "StillProcessor", Labelled)
        await self.serve(images={"default_quality": 20})
        await self.post()
        old = self.service_harness.processor
        before = await self.begin_held_render(f"{HOME}/x30.jpg")
        self.configure(images={"default_quality": 90})
        await self.service.reload()
        after = await self.get(f"{HOME}/x30.jpg")
        old.release()
        assert (await before.answer()).body.endswith(b"x30.jpg at 20")
        assert after.body.endswith(b"x30.jpg at 90")
        assert (await self.get(f"{HOME}/x30.jpg")).body.endswith(b"x30.jpg at 90")
        await until(lambda: old.closed)
        await self.until_stored()
        incoming = self.folder / "public" / ".incoming"
        await until(lambda: not any(incoming.iterdir()))  # the health check of the new settings has some for a moment


class TestBadFile(ServiceTestCase):
    """A reload with invalid settings."""

    async def refused(self) -> list[str]:
        """Reload, and return the faults that the status page shows."""
        before = self.service.generations.current
        await self.service.reload()
        assert self.service.generations.current is before
        last = (await self.status())["generation"]["last_reload"]
        assert last["ok"] is False
        assert (await self.get("/status_check")).status == 200
        return last["errors"]

    async def test_every_fault_is_reported(self) -> None:
        """With its line; the daemon keeps serving with the old settings."""
        await self.serve()
        await self.post()
        self.configure(images={"maximum_width": -1, "outputs": ["nonsense"]}, plugins={NAME: {"wort": "a"}})
        faults = await self.refused()
        lines = self.yaml.splitlines()
        assert len(faults) == 3
        for fault, key in zip(faults, ("maximum_width", "nonsense", "wort"), strict=True):
            assert key in lines[int(fault.split(":")[1]) - 1]
        assert "plugins.harness.wort: unknown key" in faults[2]
        assert (await self.get(f"{HOME}/x30.jpg")).status == 200

    async def test_malformed_yaml(self) -> None:
        """It is one fault, with its line."""
        await self.serve()
        self.yaml = "listen: [\n"
        (fault,) = await self.refused()
        assert fault.startswith("etc/imaged.yaml:")

    async def test_plugins_of_a_refused_reload_are_closed(self) -> None:
        """Those that were built before the fault was found; the running ones stay open."""
        await self.serve()
        self.configure(metrics=["nowhere"])
        (fault,) = await self.refused()
        assert "nowhere" in fault
        assert [each.closed for each in self.service_harness.processors] == [0, 1]
        assert [each.closed for each in self.service_harness.uploaders] == [0, 1]
        assert self.service_harness.sink.closed == 0

    async def test_a_setting_that_needs_a_restart_is_refused(self) -> None:
        """The job queue belongs to the process."""
        await self.serve()
        self.configure(state_dir="elsewhere")
        (fault,) = await self.refused()
        assert "state_dir: takes effect with a restart only; nothing was reloaded" in fault

    async def test_a_good_file_after_a_bad_one(self) -> None:
        """It succeeds, and the fault is no longer shown."""
        await self.serve()
        self.yaml, good = "nonsense: 1\n", self.yaml
        await self.refused()
        self.yaml = good
        await self.service.reload()
        generation = (await self.status())["generation"]
        assert generation["number"] == 2
        assert generation["last_reload"]["ok"] is True
