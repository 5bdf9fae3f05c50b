"""Each file operation of an erasure fails in turn, or the daemon dies there: what is erased is gone, and stays so."""

from __future__ import annotations

import http.client
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest
import yaml
from daemon import Answer, Daemon, until
from erased_picture import QUEUED, Picture
from failing_files import FAULTS, KILL, FailingFiles, Fault
from forked_daemon import ForkServer
from processes import LONGEST_S

SAMPLE, PARTS = 23, 2
"""`make test` tries each 23rd operation; `make faults` tries all of them, in two parts that run side by side."""

EVERY = [pytest.param(first, PARTS, marks=pytest.mark.exhaustive) for first in range(1, PARTS + 1)]


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], plugins: dict[str, str], quick_server: ForkServer) -> Daemon:
    """Return a daemon on that file layer. Its remote store is a folder that does not fail."""
    remote = {"uploader": "folder", "plugins": {"folder": {"path": "remote"}}, "upload": {"timeout_s": 1}}
    settings = yaml.safe_dump(remote | {"render": {"isolation": "thread"}})
    return make_daemon(settings, server=quick_server, environ=plugins)


def is_idle(daemon: Daemon) -> bool:
    """Say whether no job of any kind is left, or the daemon has died."""
    try:
        status = daemon.status()
    except (OSError, http.client.HTTPException):
        return daemon.process.wait(LONGEST_S) == -9
    parts = [status[each] for each in ("uploads", "promised", "erasures")]
    return not any(part["queued"] or part["parked"] or part["oldest_s"] is not None for part in parts)


def posted(daemon: Daemon) -> Picture:
    """Post a picture, get an output, and wait until both stores have everything."""
    picture = Picture()

    def is_kept() -> bool:  # a disk that was full is tried again after some seconds
        answers = [picture.post(daemon), picture.ask(daemon, "GET", "w20.webp")]
        return [answer and answer.status for answer in answers] == [200, 200]

    until(is_kept, daemon)
    for root in (daemon.store, daemon.folder / "remote"):
        for name in ("original", "info.json", QUEUED, "w20.webp"):
            until(picture.path(root, name).is_file, daemon)
    until(lambda: is_idle(daemon), daemon)
    return picture


@pytest.mark.parametrize(("first", "step"), [(SAMPLE, SAMPLE), *EVERY])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_file_operation_of_an_erasure(
    daemon: Daemon, files: FailingFiles, fault: Fault, first: int, step: int
) -> None:
    """A client that got 204 or 202 need not repeat it; one that got an error, or no answer, repeats it once.

    The test prints how often the fault struck at each operation, and the statuses of the answers.
    """
    counts, erased = Counter[str](), list[Picture]()
    for at in count(first, step):
        picture = posted(daemon)
        files.arm(fault, at)
        answer = picture.ask(daemon, "DELETE")
        until(lambda: files.struck or is_idle(daemon), daemon)
        struck = files.disarm()
        if not struck:
            break
        if daemon.process.poll() is not None or fault is KILL:
            assert daemon.process.wait(LONGEST_S) == -9, daemon.tail
            daemon.start()
        counts[f"{struck}: {check_answer(answer, daemon)}"] += 1
        if answer is None or answer.status not in {204, 202}:
            again = picture.ask(daemon, "DELETE")
            assert again is not None
            assert again.status in {204, 202}, (struck, again, daemon.tail)
        check_gone(daemon, picture, struck)
        erased.append(picture)
    assert counts, "the fault struck nowhere"
    assert daemon.stop() == 0
    daemon.start()
    for picture in erased:
        check_gone(daemon, picture, "a start")
    lines = [f"{fault.name} at {each}: {number}" for each, number in sorted(counts.items())]
    sys.stdout.write("\n".join([*lines, f"{fault.name}: {counts.total()} erasures, left 0\n"]))


def check_answer(answer: Answer | None, daemon: Daemon) -> str:
    """Check that an answer is that of an erasure, or an error that says what to do. Return its status for people."""
    if answer is None:
        return "died"
    assert answer.status in {204, 202, 503, 507}, (answer, daemon.tail)
    return str(answer.status)


def check_gone(daemon: Daemon, picture: Picture, struck: str) -> None:
    """Check that both stores have no file of a picture, and that clients get 410."""
    until(lambda: is_idle(daemon), daemon)
    folders = (daemon.folder / "var", daemon.folder / "remote")
    until(lambda: not any(map(picture.left_in, folders)), daemon)
    answer = picture.ask(daemon, "GET", "w20.webp")
    assert answer is not None
    assert answer.status == 410, (struck, answer, daemon.tail)
