"""Each file operation of a post, a render and an upload fails in turn, or the daemon dies there: the promises hold."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import yaml
from daemon import Answer, Daemon, request, until
from failing_files import FAULTS, FULL, KILL, FailingFiles, Fault
from forked_daemon import ForkServer
from PIL import Image
from processes import LONGEST_S

from imaged.testing.pictures import make_png

QUEUED, WANTED = "x10.png", "w20.webp"
"""The output that the post queues, and the one that a client waits for."""

SAMPLE, PARTS = 31, 4
"""`make test` tries each 31st operation; `make faults` tries all of them, in four parts that run side by side."""

A_START = [(22, 72), *(pytest.param(first, 36, marks=pytest.mark.exhaustive) for first in (4, 22))]
"""The first and the step of the operations of a start that both try; each costs two starts."""

IN_A_POST = 8
"""An operation at which a post has a temporary file."""

EVERY = [pytest.param(first, PARTS, marks=pytest.mark.exhaustive) for first in range(1, PARTS + 1)]


@pytest.fixture
def daemon(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], quick_server: ForkServer, fault: Fault
) -> Daemon:
    """Return a daemon on that file layer. Its remote store is a folder that does not fail.

    Each kill costs a start, which takes half as long without worker processes. They write no file of the store.
    """
    settings = {"uploader": "folder", "plugins": {"folder": {"path": "remote"}}}
    isolation = {"render": {"isolation": "thread" if fault is KILL else "process"}}
    return make_daemon(yaml.safe_dump(settings | isolation), server=quick_server, environ=plugins)


class Pictures:
    """The pictures that were posted, and the files that answers said are or will be there, by path in the store."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._bodies: dict[str, bytes] = {}
        self.announced: set[str] = set()
        self.wanted = ""

    def post(self, body: bytes) -> Answer | None:
        """Post a picture. Return None when the daemon died before it had answered."""
        digits = hashlib.md5(body).hexdigest()
        home = f"p/{digits[:3]}/{digits[3:6]}/{digits[6:]}"
        self._bodies[home] = body
        answer = ask(self._daemon, "POST", f"/p?outputs={QUEUED}", body)
        if answer is not None and answer.status == 200:
            self.announced |= {f"{home}/{name}" for name in ("original", "info.json", QUEUED)}
        return answer

    def get(self, body: bytes) -> Answer | None:
        """Get an output of a picture. Return None when the daemon died before it had answered."""
        digits = hashlib.md5(body).hexdigest()
        answer = ask(self._daemon, "GET", f"/p/{digits}/{WANTED}")
        if answer is not None and answer.status == 200:
            check(WANTED, answer.body)
            self.wanted = f"p/{digits[:3]}/{digits[3:6]}/{digits[6:]}/{WANTED}"
        return answer

    def arrive(self) -> None:
        """Wait until the store has the last output that a client got, and expect it in both stores from then on."""
        until((self._daemon.store / self.wanted).is_file, self._daemon)
        self.announced.add(self.wanted)

    def check_all(self) -> None:
        """Check that each file with a final name is whole, in the local and in the remote store."""
        for root in (self._daemon.store, self._daemon.folder / "remote"):
            for path in root.glob("p/*/*/*/*"):
                home, body = str(path.parent.relative_to(root)), path.read_bytes()
                if path.name == "original":
                    assert body == self._bodies[home], path
                else:
                    check(path.name, body)

    def missing(self) -> list[str]:
        """Return the files that answers announced and that are not in both stores."""
        roots = (self._daemon.store, self._daemon.folder / "remote")
        return [str(root / name) for root in roots for name in sorted(self.announced) if not (root / name).is_file()]


class Left:
    """What a killed daemon has left: each start that begins with it has the same operations."""

    def __init__(self, daemon: Daemon, copy: Path) -> None:
        self._folders = {daemon.folder / name: copy / name for name in ("var", "remote")}
        for folder, kept in self._folders.items():
            folder.mkdir(exist_ok=True)
            shutil.copytree(folder, kept)

    def put_back(self) -> None:
        """Replace what later processes have made of it, when they have ended."""
        for folder, kept in self._folders.items():
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)


def check(name: str, body: bytes) -> None:
    """Raise an error when these bytes are no whole file of that name."""
    if name == "info.json":
        assert json.loads(body)["width"] == 48
    else:
        Image.open(io.BytesIO(body)).load()


def ask(daemon: Daemon, method: str, target: str, body: bytes | None = None) -> Answer | None:
    """Send a request to a daemon that may die meanwhile."""
    try:
        return request(daemon.public, method, target, body)
    except (OSError, http.client.HTTPException):
        assert daemon.process.wait(LONGEST_S) == -9, daemon.tail
        return None


def settled(daemon: Daemon) -> bool:
    """Say whether the comparison of both stores has ended and no job is left, or the daemon has died."""
    try:
        status = daemon.status()
    except (OSError, http.client.HTTPException):
        return daemon.process.wait(LONGEST_S) == -9
    if status["remote"]["comparison"]["state"] != "ended":
        return False
    parts = [status[each] for each in ("uploads", "promised")]
    return not any(part["queued"] or part["parked"] or part["oldest_s"] is not None for part in parts)


def restart(daemon: Daemon, pictures: Pictures) -> None:
    """Start the daemon again: it removes temporary files, and does what is queued."""
    daemon.start()
    until(lambda: not any((daemon.store / ".incoming").iterdir()), daemon)  # the health check has some for a moment
    until(lambda: settled(daemon), daemon)
    assert pictures.missing() == [], daemon.tail


@pytest.mark.parametrize(("first", "step"), [(SAMPLE, SAMPLE), *EVERY])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_file_operation(daemon: Daemon, files: FailingFiles, fault: Fault, first: int, step: int) -> None:
    """Clients get 503 or 507 and a reason, no half file has a final name, and what was acknowledged and queued is done.

    The test prints how often the fault struck at each operation, and the statuses of the answers.
    """
    pictures, counts = Pictures(daemon), Counter[str]()
    until(lambda: settled(daemon), daemon)
    for at in count(first, step):
        body = make_png(comment=f"{fault.name} {at}")
        files.arm(fault, at)
        answers = [pictures.post(body)]
        if daemon.process.poll() is None:
            answers.append(pictures.get(body))
        until(lambda: files.struck or settled(daemon), daemon)
        struck = files.disarm()
        statuses = [check_answer(answer, daemon, fault) for answer in answers]
        if not struck:
            break
        counts[f"{struck}: {' '.join(statuses)}"] += 1
        pictures.check_all()
        if fault is KILL:
            assert daemon.process.wait(LONGEST_S) == -9
            restart(daemon, pictures)
        until(lambda: not daemon.status()["store"]["is_full"], daemon)  # it is tried again and again
        for answer in (pictures.post(body), pictures.get(body)):
            assert answer is not None
            assert answer.status == 200, (struck, answer.body, daemon.tail)
        pictures.arrive()
    until(lambda: settled(daemon), daemon, LONGEST_S)
    assert daemon.stop() == 0
    restart(daemon, pictures)
    pictures.check_all()
    report(fault, counts)


@pytest.mark.parametrize(("first", "step"), A_START)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_file_operations_of_a_start(
    daemon: Daemon, files: FailingFiles, tmp_path: Path, fault: Fault, first: int, step: int
) -> None:
    """A start after a kill serves or ends with a reason; the next one removes temporary files, and does what is queued.

    The test prints how often the fault struck at each operation, and whether the daemon served.
    """
    pictures, counts = Pictures(daemon), Counter[str]()
    assert pictures.post(make_png(comment="answered")) is not None
    files.arm(KILL, IN_A_POST)
    assert pictures.post(make_png(comment="killed")) is None
    left = Left(daemon, tmp_path / "left")
    for at in count(first, step):
        left.put_back()
        files.arm(fault, at)
        if (status := start(daemon)) is None:
            until(lambda: files.struck or settled(daemon), daemon)
        struck = files.disarm()
        if not struck:
            break
        if fault is KILL:
            assert daemon.process.wait(LONGEST_S) == -9
        elif status is None:
            daemon.kill()
        else:
            assert status == 1, daemon.tail
            assert re.match(r"(store\.path|state_dir): .+", daemon.tail.splitlines()[-1]), daemon.tail
        counts[f"{struck}: {'served' if status is None else 'ended'}"] += 1
        pictures.check_all()
        restart(daemon, pictures)
        daemon.kill()
    report(fault, counts)


def start(daemon: Daemon) -> int | None:
    """Start the daemon; return its exit status, or None when it serves."""
    try:
        daemon.start()
    except AssertionError:
        return daemon.process.wait(LONGEST_S)
    return None


def report(fault: Fault, counts: Counter[str]) -> None:
    """Print how often the fault struck at each operation, and what followed."""
    assert counts, "the fault struck nowhere"
    lines = [f"{fault.name} at {each}: {number}" for each, number in sorted(counts.items())]
    sys.stdout.write("\n".join([*lines, f"{fault.name}: {counts.total()} runs, lost 0\n"]))


def check_answer(answer: Answer | None, daemon: Daemon, fault: Fault) -> str:
    """Check that an answer is a picture, or an error that says what to do. Return its status for people."""
    if answer is None:
        return "died"
    if answer.status != 200:
        allowed = {404, 507 if fault is FULL else 503}  # 404: the output of a picture that was not taken
        assert answer.status in allowed, (answer, daemon.tail)
        assert answer.json()["error"]
        assert ("retry-after" in answer.headers) == (answer.status == 503)
    return str(answer.status)
