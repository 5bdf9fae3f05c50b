"""`/metrics` of a whole daemon: counts continue when settings change."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from raw_client import Answer, begin
from service_case import HOME, IMAGE, ServiceTestCase, other_picture, until
from twisted.internet.defer import Deferred

from imaged.core.clients import LIMITS

OUTPUTS = {"route": "output", "namespace": "p", "format": "jpg"}


class TestPrometheusPort(ServiceTestCase):
    """A scraper reads the metrics."""

    settings = "metrics: [prometheus]"

    async def scrape(self, method: str = "GET", **headers: str) -> Answer:
        """Send a request like a Prometheus server's."""
        return await (await begin(self.status_url, method, "/metrics", headers)).answer()

    async def value(self, name: str, **labels: str) -> float | None:
        """Return one sample of a scrape, or None where there is none."""
        families = text_string_to_metric_families((await self.scrape()).body.decode())
        samples = [sample for family in families for sample in family.samples]
        found = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
        return found[0] if found else None

    async def test_requests_are_counted_at_once(self) -> None:
        """A scrape has every earlier answer: a render, a hit, a refusal. A render counts when it is stored."""
        await self.serve()
        await self.post()
        for name in ("x30.jpg", "x30.jpg", "x5000.jpg"):
            await self.get(f"{HOME}/{name}")
        assert await self.value("imaged_requests_total", **OUTPUTS, status="200", outcome="rendered") == 1
        assert await self.value("imaged_requests_total", **OUTPUTS, status="200", outcome="hit") == 1
        assert await self.value("imaged_requests_total", **OUTPUTS, status="406", outcome="none") == 1
        await until(lambda: not self.service.generations.pipeline.renders.unsaved_outputs(IMAGE))
        assert await self.value("imaged_renders_total", namespace="p", format="jpg") == 1
        assert await self.value("imaged_healthy") == 1
        assert await self.value("imaged_render_threads") == 2

    async def test_refusals_of_limits_are_counted(self) -> None:
        """By the key of the limit, from 0 on, and by the status. A reload that turns the limit off keeps the count."""
        await self.serve(limits={"renders_per_minute": 1})
        await self.post()
        for key in LIMITS:
            assert await self.value("imaged_limited_total", limit=key) == 0
        asked = [(await self.get(f"{HOME}/x{side}.jpg")).status for side in (30, 31, 32)]
        assert asked == [200, 429, 429]
        self.configure(limits={"renders_per_minute": 0})
        assert (await self.service.reload()).ok
        assert (await self.get(f"{HOME}/x31.jpg")).status == 200
        assert await self.value("imaged_limited_total", limit="renders_per_minute") == 2
        assert await self.value("imaged_limited_total", limit="requests_per_s") == 0
        assert await self.value("imaged_requests_total", **OUTPUTS, status="429", outcome="none") == 2

    async def test_counters_survive_reloads(self) -> None:
        """Neither a good nor a refused reload loses a count, and a metric shows the refusal."""
        await self.serve()
        await self.post()
        await self.get(f"{HOME}/x30.jpg")
        loaded_at_s = await self.value("imaged_config_last_reload_success_timestamp_seconds")
        assert (await self.service.reload()).ok
        await self.get(f"{HOME}/x30.jpg")
        assert await self.value("imaged_config_generation") == 2
        reloaded_at_s = await self.value("imaged_config_last_reload_success_timestamp_seconds")
        assert loaded_at_s is not None
        assert reloaded_at_s is not None
        assert reloaded_at_s > loaded_at_s
        self.yaml += "nonsense: 1\n"
        assert not (await self.service.reload()).ok
        await self.get(f"{HOME}/x30.jpg")
        assert await self.value("imaged_config_last_reload_successful") == 0
        assert await self.value("imaged_config_last_reload_success_timestamp_seconds") == reloaded_at_s
        assert await self.value("imaged_requests_total", **OUTPUTS, status="200", outcome="rendered") == 1
        assert await self.value("imaged_requests_total", **OUTPUTS, status="200", outcome="hit") == 2

    async def test_a_scrape_that_meets_a_reload_is_answered(self) -> None:
        """It has all figures, whichever generation it began in."""
        await self.serve()
        for _ in range(10):
            reloading = self.service.reload()
            scrapes = [Deferred.fromCoroutine(self.scrape()) for _ in range(4)]
            assert (await reloading).ok
            assert [(await each).status for each in scrapes] == [200] * 4
        assert await self.value("imaged_metrics_scrapes_failed_total", sink="prometheus") == 0

    async def test_unknown_namespaces(self) -> None:
        """A request for an unknown image makes no series; a post does, and so do the settings."""
        await self.serve(namespaces={"avatars": {"maximum_width": 100}})
        await self.post("/shop", other_picture())
        for number in range(50):
            await self.get(f"/stranger_{number}{HOME[2:]}/x30.jpg")
        await self.get(f"/avatars{HOME[2:]}/x30.jpg")
        missing = {"route": "output", "format": "jpg", "status": "404", "outcome": "none"}
        assert await self.value("imaged_requests_total", **missing, namespace="other") == 50
        assert await self.value("imaged_requests_total", **missing, namespace="avatars") == 1
        assert b"stranger" not in (await self.scrape()).body
        posted = {"route": "post", "format": "none", "status": "200", "outcome": "none"}
        assert await self.value("imaged_requests_total", **posted, namespace="shop") == 1

    async def test_the_format_follows_accept(self) -> None:
        """The answer is OpenMetrics on request, else plain text; HEAD has the same headers without a body."""
        await self.serve()
        plain = await self.scrape()
        assert plain.headers["content-type"].startswith("text/plain")
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        open_metrics = await self.scrape(Accept=accept)
        assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert open_metrics.body.endswith(b"# EOF\n")
        assert (await self.scrape("HEAD", Accept=accept)).body == b""
