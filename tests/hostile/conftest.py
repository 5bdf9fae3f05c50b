"""A real daemon for the hostile files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from daemon import Daemon


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Return a function that starts a daemon with the given settings, which has to stop with status 0."""
    with ExitStack() as ends:

        def start(*settings: str) -> Daemon:
            folder = tmp_path / f"daemon-{next(numbers)}"
            folder.mkdir()
            daemon = Daemon(folder)
            daemon.start(*settings)
            ends.callback(stop, daemon)
            return daemon

        numbers = count()
        yield start


def stop(daemon: Daemon) -> None:
    """Stop a daemon; fail with its log when it did not end well."""
    assert daemon.stop() == 0, daemon.tail
