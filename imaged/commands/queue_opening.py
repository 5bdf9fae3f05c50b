"""Open the job queue that the settings name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaged.commands.configuration import read_settings
from imaged.config.faults import ConfigurationError
from imaged.core.errors import ImagedError
from imaged.jobs.admin import QueueAdmin, administer


@contextmanager
def open_queue(config: str | None, overrides: tuple[str, ...]) -> Iterator[QueueAdmin]:
    """Give the queue while the block runs; exit with a message for faults and errors."""
    loaded = read_settings(config, overrides)
    # The queue needs no options of plugins: their secrets may be in an environment that only the daemon has.
    faults = [fault for fault in loaded.faults if fault.path[:1] != ("plugins",)]
    if faults:
        raise SystemExit(str(ConfigurationError(faults)))
    try:
        with administer(Path(loaded.settings.state_dir), time.time) as queue:
            yield queue
    except ImagedError as error:
        raise SystemExit(str(error)) from error
