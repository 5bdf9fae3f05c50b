"""Reconfiguration: put new settings into effect, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from twisted.logger import Logger

from imaged.config.faults import ConfigurationError, Fault
from imaged.config.load import Loaded
from imaged.daemon.generations import Generation, Generations, build_generation
from imaged.daemon.health import Health
from imaged.daemon.job_queue import note_store
from imaged.daemon.remote_watch import RemoteWatch
from imaged.hooks.host import RunInThread
from imaged.hooks.installation import VERSION
from imaged.logs.files import LogFiles, Logs, open_files
from imaged.logs.streams import LogFileError
from imaged.pipeline.build import Environment
from imaged.pipeline.store_health import prevents_service
from imaged.process.endpoints import STATUS, endpoints, private_ports
from imaged.process.ports import OpenPort, PortError, Ports
from imaged.process.shutdown import Shutdown
from imaged.profiling.profiles import Profiles

_log = Logger()


@dataclass(frozen=True, kw_only=True)
class Reconfiguration:
    """Reads the settings with `read` and puts them into effect in a running daemon. Reactor thread only."""

    read: Callable[[], Loaded]
    environment: Environment
    generations: Generations
    remote_watch: RemoteWatch
    health: Health
    ports: Ports
    profiles: Profiles
    logs: Logs
    shutdown: Shutdown

    async def apply(self) -> None:
        """Build and open everything that the settings need, then switch to it.

        Raises ConfigurationError when anything fails before the switch; everything then stays as it was. The log files
        are reopened in any case, since log rotation sends SIGHUP to have them reopened.
        """
        seconds = self.environment.reactor.seconds
        began_s = seconds()
        if self.shutdown.begun:
            hint = ": reload the process that replaces it" if self.shutdown.handed_over else ""
            raise ConfigurationError([Fault("imaged", None, (), f"this process is shutting down{hint}")])
        self.logs.reopen()
        loaded = self.read()
        if not loaded.faults and loaded.settings.state_dir != self.generations.pipeline.settings.state_dir:
            # The job queue is opened once, when the process starts.
            fault = loaded.places.fault(("state_dir",), "takes effect with a restart only; nothing was reloaded")
            raise ConfigurationError([fault])
        new = await build_generation(self.generations.current.number + 1, loaded, self.environment, datetime.now(UTC))
        files, opened = await self._open(loaded, new)
        self.logs.use(files)
        await note_store(self.environment.jobs, new.pipeline.store)
        self.generations.replace(new)
        self.profiles.follow(loaded.settings.status.profile)
        await self.ports.use(opened)
        _log.info(
            "reloaded: generation {number}, in {elapsed_ms} ms",
            number=new.number,
            elapsed_ms=round(1000 * (seconds() - began_s)),
        )
        log_urls(opened)
        self.health.probe()
        self.remote_watch.check()

    async def _open(self, loaded: Loaded, new: Generation) -> tuple[LogFiles, Sequence[OpenPort]]:
        """Try the store of a new generation, and open its log files and ports.

        Raises ConfigurationError. After any error, whatever was opened is closed, and `new` is discarded.
        """
        run = self.environment.threads.run
        with ExitStack() as undo:
            undo.callback(new.discard)
            for each in (await run(new.pipeline.store.try_places)).values():
                if prevents_service(each.error):
                    raise ConfigurationError([loaded.places.quoting_fault(("store", "path"), str(each.error))])
            files = await open_logs(loaded, run)
            undo.callback(files.close)
            try:
                opened = await self.ports.open(endpoints(loaded.settings), private_ports(loaded.settings))
            except PortError as error:
                sentence = error.sentence(loaded.describe_value(error.path, error.endpoint))
                raise ConfigurationError([loaded.places.fault(error.path, sentence)]) from error
            undo.pop_all()
            return files, opened


async def open_logs(loaded: Loaded, run: RunInThread) -> LogFiles:
    """Open the log files that the settings name. Raises ConfigurationError."""
    try:
        return await run(open_files, loaded.settings.log)
    except LogFileError as error:
        raise ConfigurationError([loaded.places.quoting_fault(error.key, str(error))]) from error


def log_urls(opened: Sequence[OpenPort]) -> None:
    """Log where each of these ports answers."""
    for port in opened:
        if port.path == STATUS:
            _log.info("the status page is on {private}", private=port.url)
            continue
        _log.info("imaged {version} serves images on {public}", version=VERSION, public=port.url)
        if port.url.startswith("http:"):
            _log.info("try: curl --data-binary @picture.jpg '{public}/p?outputs=x300.jpg'", public=port.url)
