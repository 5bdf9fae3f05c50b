"""Open the job queue that the settings name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaged.commands.configuration import read_settings
from imaged.config.faults import ConfigurationError
from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.jobs.admin import QueueAdmin, administer

_OTHERS = ("plugins", "access", "origins")
"""The sections that no command on the queue needs. Their secrets may be in an environment that only the daemon has."""


@contextmanager
def open_queue(config: str | None, overrides: tuple[str, ...]) -> Iterator[QueueAdmin]:
    """Give the queue while the block runs; exit with a message for faults and errors."""
    with open_queue_at(read_queue_settings(config, overrides)) as queue:
        yield queue


def read_queue_settings(config: str | None, overrides: tuple[str, ...]) -> Settings:
    """Return the settings; exit with a message for faults of the sections that matter here."""
    loaded = read_settings(config, overrides)
    faults = [fault for fault in loaded.faults if fault.path[:1] not in {(each,) for each in _OTHERS}]
    if faults:
        raise SystemExit(str(ConfigurationError(faults)))
    return loaded.settings


@contextmanager
def open_queue_at(settings: Settings) -> Iterator[QueueAdmin]:
    """Give the queue of these settings while the block runs; exit with a message for errors."""
    try:
        with administer(Path(settings.state_dir), time.time) as queue:
            yield queue
    except ImagedError as error:
        raise SystemExit(str(error)) from error
