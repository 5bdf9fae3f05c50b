"""What a reload opens before anything changes: all of it, or a fault with its line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from imaged.config.faults import ConfigurationError
from imaged.config.load import Loaded
from imaged.core.errors import StoreError
from imaged.daemon.runtime import Runtime
from imaged.hooks.host import RunInThread
from imaged.logs.files import LogFiles, open_files
from imaged.logs.streams import LogFileError
from imaged.process.ports import OpenPort, PortError, Ports, endpoints


async def open_logs(loaded: Loaded, run: RunInThread) -> LogFiles:
    """Open the log files that the settings name. Raises ConfigurationError."""
    try:
        return await run(open_files, loaded.settings.log)
    except LogFileError as error:
        raise ConfigurationError([loaded.foreign_fault(error.key, str(error))]) from error


async def prepare(loaded: Loaded, made: Runtime, run: RunInThread, ports: Ports) -> tuple[LogFiles, Sequence[OpenPort]]:
    """Try the store of a new generation, and open its log files and ports.

    Raises ConfigurationError; then, and after any other error, nothing stays open and `made` is discarded.
    """
    with ExitStack() as undo:
        undo.callback(made.discard)
        try:
            await run(made.pipeline.store.try_out)
        except StoreError as error:
            raise ConfigurationError([loaded.foreign_fault(("store", "path"), str(error))]) from error
        files = await open_logs(loaded, run)
        undo.callback(files.close)
        try:
            fresh = await ports.open(endpoints(loaded.settings))
        except PortError as error:
            sentence = error.sentence(loaded.told(error.path, error.endpoint))
            raise ConfigurationError([loaded.fault(error.path, sentence)]) from error
        undo.pop_all()
        return files, fresh
