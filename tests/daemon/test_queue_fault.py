"""A job queue whose folder is gone is reported everywhere that an operator looks."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from raw_client import begin
from service_case import ServiceTestCase, until


class TestQueueFault(ServiceTestCase):
    """A daemon whose `state_dir` is moved away, and back."""

    settings = "metrics: [prometheus]"

    async def values(self) -> dict[tuple[str, str], float]:
        """Return the samples of a scrape by name and kind of job."""
        scrape = await (await begin(self.status_url, "GET", "/metrics", {})).answer()
        families = text_string_to_metric_families(scrape.body.decode())
        return {
            (sample.name, sample.labels.get("kind", "")): sample.value
            for family in families
            for sample in family.samples
        }

    async def test_it_is_reported_everywhere(self) -> None:
        """In status, alerts, page, metrics and the status line. An unknown figure is not shown as zero."""
        await self.serve()
        assert (await self.values())["imaged_queue_fault", ""] == 0
        assert (await self.values())["imaged_jobs_queued", "upload"] == 0
        (self.folder / "state").rename(self.folder / "away")
        refused = await self.post("/p?outputs=x30.jpg")
        assert refused.status == 503
        status = await self.status()
        assert "was removed" in status["queue"]["fault"]
        assert status["queue"]["free_bytes"] is None
        assert {status[each][key] for each in ("promised", "uploads") for key in ("queued", "parked")} == {None}
        assert status["promised"]["current"] is None
        assert [alert["level"] for alert in status["alerts"] if alert["title"] == "Job queue"] == ["error"]
        page = (await (await begin(self.status_url, "GET", "/status", {})).answer()).body.decode()
        assert "No job can be added" in page
        values = await self.values()
        assert values["imaged_queue_fault", ""] == 1
        assert not {("imaged_jobs_queued", "upload"), ("imaged_state_free_bytes", "")} & set(values)
        assert "the job queue cannot be read" in await self.service.status_line()
        (self.folder / "away").rename(self.folder / "state")
        self.service.job_runner.wake()
        await until(lambda: self.service.environment.jobs.fault is None)
        assert (await self.status())["uploads"]["queued"] is not None
        self.flushLoggedErrors(OSError)
