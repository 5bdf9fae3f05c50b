"""Broken files, over HTTP: each ends as a picture or as an error of the client's, and the next good one is served.

This takes a part of them. `make hostile` takes 2,000.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from broken_run import READ_ALL, BrokenRun
from corpus import SEED, corpus
from daemon import Daemon
from damage import Files
from installed_processors import chains

FILES = 30
TIMEOUT_S = 3.0
SLACK_S = 20.0
"""How much later an answer may come on a busy machine. `make hostile` allows a second."""


def sample(seed: int) -> Files:
    """Return some of the files of `make hostile`."""
    files = corpus(2000)
    names = Random(seed).sample(sorted(files), FILES)
    return {name: files[name] for name in names}


@pytest.mark.parametrize("processor", chains())
@pytest.mark.parametrize(("isolation", "seed"), [("thread", SEED), ("process", SEED + 1)])
def test_broken_files_cost_their_own_request_only(
    start_daemon: Callable[..., Daemon], isolation: str, seed: int, processor: str
) -> None:
    """Every answer is 200, 4xx, or 503 for time, and a good picture is served after each file, by the same process."""
    daemon = start_daemon(
        f"render.isolation={isolation}",
        f"processors=[{processor}]",
        f"render.timeout_s={TIMEOUT_S}",
        "render.concurrency=2",
        READ_ALL,
    )
    pid = daemon.pid
    run = BrokenRun(daemon, TIMEOUT_S + SLACK_S)
    run.send_all(sample(seed))
    assert run.faults == []
    assert daemon.pid == pid
    assert {200, 415} <= {each.status for each in run.seen}
    assert "Traceback" not in daemon.log.read_text()
