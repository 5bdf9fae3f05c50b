"""The running daemon, and the operations on it as a whole: stop it, pause it for another process, resume it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.config.faults import KeyPath
from imaged.core.snapshot import GenerationStatus, Reload, Snapshot
from imaged.daemon.generations import Generations
from imaged.daemon.health import Health
from imaged.daemon.job_runner import JobRunner
from imaged.daemon.reload import Reloads
from imaged.daemon.remote_watch import RemoteWatch
from imaged.logs.files import Logs
from imaged.pipeline.build import Environment
from imaged.process.endpoints import PUBLIC, endpoints
from imaged.process.inherited_sockets import ActivationSocket, InheritedPort
from imaged.process.ports import Ports
from imaged.process.shutdown import Shutdown
from imaged.profiling.profiles import Profiles
from imaged.statuspage.collector import Collector
from imaged.statuspage.status_line import status_line
from imaged.web.connections import Connections

QUIET_S = 5.0
"""How long a connection is idle before it is closed, while another process already serves new ones."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Service:
    """The parts of a running daemon. `opened` closes them in the reverse of their order. Reactor thread only.

    `config_name` names the source of the settings.
    """

    opened: AsyncExitStack
    shutdown: Shutdown
    environment: Environment
    generations: Generations
    ports: Ports
    connections: Mapping[KeyPath, Connections]
    job_runner: JobRunner
    remote_watch: RemoteWatch
    health: Health
    profiles: Profiles
    reloads: Reloads
    collector: Collector
    config_name: str
    logs: Logs

    _log = Logger()

    @property
    def shutdown_timeout_s(self) -> float:
        """How long `stop` may wait for work in flight."""
        return self.generations.pipeline.settings.shutdown_timeout_s

    async def snapshot(self) -> Snapshot:
        """Return the figures of this moment."""
        current = self.generations.current
        return await self.collector.collect(
            self._generation, current.described, self.generations.pipelines, self.environment.jobs
        )

    async def status_line(self) -> str:
        """Return the state in one line, for the service manager."""
        counters, jobs = self.environment.counters, self.environment.jobs
        return await status_line(self.health.message, self._generation, counters, self.generations.pipeline, jobs)

    @property
    def _generation(self) -> GenerationStatus:
        current = self.generations.current
        return GenerationStatus(current.number, current.loaded_at, self.config_name, self.reloads.last)

    async def stop(self) -> None:
        """Accept nothing new, finish the work in flight within `shutdown_timeout_s`, and close everything.

        Queued jobs stay in the queue.
        """
        self._log.info("shutting down: finishing the requests in flight, accepting no more")
        self.shutdown.begin(self.shutdown_timeout_s)
        self.health.draining = True
        if not self.ports.outlives_process(PUBLIC):
            self.health.refuses_from_s = self.environment.reactor.seconds()
        await self.shutdown.in_time(self.reloads.pause)
        self.reloads.resume()  # waiting reloads end with the error that the process shuts down
        await self.opened.aclose()
        self.shutdown.log_unfinished(self.environment.counters.processing.running())
        self.logs.end()
        self._log.info("shut down")

    def reload(self) -> Deferred[Reload]:
        """Put new settings into effect, and return the outcome; after any fault everything stays as it was."""
        return self.reloads.request()

    async def prepare_handover(self) -> tuple[Sequence[ActivationSocket], list[InheritedPort]]:
        """Pause reloads, and return the sockets to pass to a new process: those of systemd, and our own."""
        await self.reloads.pause()
        return self.ports.handover()

    async def pause(self, claimed: Collection[str]) -> None:
        """Leave new connections to a process that has `claimed` these ports; return when none of ours is left.

        Requests on open connections are still answered. `resume` undoes it.
        """
        self.shutdown.handed_over = True
        self.generations.pipeline.store.variants.supersede()
        self.shutdown.begin(self.shutdown_timeout_s)
        self.profiles.end()
        await self.ports.pause(claimed)
        for connections in self.connections.values():
            connections.leave()
        self.reloads.resume()  # waiting reloads end with the error that the process shuts down
        for connections in self.connections.values():
            await self.shutdown.in_time(partial(connections.gone, QUIET_S))

    async def resume(self) -> None:
        """Undo `pause`. Raises PortError when a port that was closed meanwhile cannot be opened again."""
        self.generations.pipeline.store.variants.reinstate()
        self.shutdown.cancel()
        for connections in self.connections.values():
            connections.stay()
        self.ports.resume()
        self.job_runner.wake()
        await self.ports.use(await self.ports.open(endpoints(self.generations.pipeline.settings)))
