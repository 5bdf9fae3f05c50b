"""The state of the running daemon: the snapshot for the status port, the line for the service manager."""

from __future__ import annotations

from dataclasses import dataclass

from imaged.core.snapshot import GenerationStatus, Snapshot
from imaged.daemon.generations import Generations
from imaged.daemon.health import Health
from imaged.daemon.reload import Reloads
from imaged.pipeline.build import Environment
from imaged.statuspage.collector import Collector
from imaged.statuspage.status_line import status_line


@dataclass(frozen=True, kw_only=True)
class Status:
    """Hands the current generation to what reports on it. `config_name` names the source of the settings."""

    environment: Environment
    generations: Generations
    health: Health
    reloads: Reloads
    collector: Collector
    config_name: str

    async def snapshot(self) -> Snapshot:
        """Return the figures of this moment."""
        generation, jobs = self.generations.current, self.environment.jobs
        return await self.collector.collect(
            self._generation_status(), generation.plugins.described, generation.pipeline, jobs
        )

    async def line(self) -> str:
        """Return the state in one line."""
        counters, jobs = self.environment.counters, self.environment.jobs
        pipeline = self.generations.pipeline
        return await status_line(self.health.message, self._generation_status(), counters, pipeline, jobs)

    def _generation_status(self) -> GenerationStatus:
        current = self.generations.current
        return GenerationStatus(current.number, current.loaded_at, self.config_name, self.reloads.last)
