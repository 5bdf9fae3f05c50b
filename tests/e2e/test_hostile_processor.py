"""A processor that crashes, hangs, eats memory or attacks: each picture costs its own job only.

IMAGED_TEST_ROUNDS repeats each deed so often; `pytest -rP` prints what each one cost.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from daemon import Answer, Daemon, until
from imaged_hostile import FACTS, NONSENSE, bad_picture
from imaged_hostile_lies import LIES, SLOW
from ports import endpoint, free_port
from processes import descendants, weigh

from imaged.testing.pictures import make_png

pytestmark = pytest.mark.whole_start

ROUNDS = int(os.environ.get("IMAGED_TEST_ROUNDS", "1"))
GOOD_JOBS = 30
TIMEOUT_S, SHORT_S = 30.0, 3.0
"""How long a job may take: half a gigabyte of memory takes a busy machine seconds. SHORT_S is for endless jobs."""

MEMORY_BYTES = 2**29

MAXIMUM_PIXELS = 1_000_000
"""The address space of a worker depends on it."""

CRASHES = [
    "segfault",
    "abort",
    "exit_with_0",
    "write_to_closed_pipe",
    "write_garbage",
    "write_half",
    "close_files",
    "eat_memory_in_c",
]
MEMORY = ["eat_memory", "gigabyte"]
HANGS = ["sleep", "loop", "loop_with_lock", *SLOW]
ESCAPES = [
    "fork", "find_files", "read_files", "write_files", "read_environment", "connect", "listen", "execute",
    "kill_parent", "trace_parent", "fill_folder", "write_noise", "leak",
]  # fmt: skip
FAULTS = ["raise_system_exit", *(each for each in NONSENSE if each not in MEMORY)]


def settings(files: list[str], port: int, timeout_s: float) -> str:
    """Return settings with the hostile processor, which tries to reach these files and this port."""
    render = {
        "concurrency": 5,
        "timeout_s": timeout_s,
        "maximum_pixels": MAXIMUM_PIXELS,
        "worker_memory_bytes": MEMORY_BYTES,
    }
    plugins = {"hostile": {"files": files, "port": port}}
    return yaml.safe_dump({"processors": ["hostile"], "plugins": plugins, "render": render})


class Victim:
    """A daemon with the hostile processor, its temporary folder, and what it weighs at the start."""

    def __init__(
        self, make_daemon: Callable[..., Daemon], environ: dict[str, str], folder: Path, timeout_s: float
    ) -> None:
        self._others = descendants(os.getpid())
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.secret = folder / "secret"
        self.secret.write_text("SECRET")
        private = free_port()
        inside = [str(folder / "daemon-0" / name) for name in ("imaged.yaml", "var/state/jobs.sqlite", "log-1")]
        self.daemon = make_daemon(
            settings([str(self.secret), *inside], private, timeout_s),
            ports=[f"listen={endpoint(0)}", f"status.listen={endpoint(private)}"],
            environ={**environ, "TMPDIR": str(self.temporary), "SOME_TOKEN": "SECRET"},
        )
        assert self.daemon.folder == folder / "daemon-0"
        self._good = 0
        self.good(4)
        self.pid, self.weight = self.daemon.pid, weigh(self.daemon.pid)

    def good(self, jobs: int = GOOD_JOBS) -> None:
        """Render so many new outputs, from two clients at once. Each has to succeed."""
        self._good += 1
        home = f"/p/{self.daemon.post('/p', make_png(comment=f'good {self._good}')).json()['hash']}"
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(self.daemon.get, [f"{home}/w5-q{number + 1}.png" for number in range(jobs)]))
        assert {answer.status for answer in answers} == {200}, self.daemon.tail

    def bad(self, deed: str, number: int) -> Answer:
        """Post a picture, and have the processor do its deed in a render."""
        posted = self.daemon.post("/p", bad_picture("render", deed, number))
        assert posted.status == 200, posted.body
        return self.daemon.get(f"/p/{posted.json()['hash']}/w5.png")

    def check(self) -> None:
        """Check that the daemon is the same process, holds no more than before, and left no temporary file."""
        assert self.daemon.pid == self.pid
        until(lambda: weigh(self.pid).within(1.15, self.weight), self.daemon)
        until(lambda: not [*self.temporary.rglob("left-*"), *self.temporary.rglob("large")], self.daemon)
        assert self.secret.read_text() == "SECRET"
        assert "the template of the worker processes" not in self.daemon.log.read_text()
        assert self.daemon.get("/status_check").status == 200
        assert self.daemon.stop() == 0
        until(lambda: descendants(os.getpid()) <= self._others, self.daemon, 5)
        assert not list(self.temporary.iterdir())
        assert not list((self.daemon.store / ".incoming").iterdir())


@pytest.fixture
def victim(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Victim]:
    """Return a daemon with the hostile processor, and check afterwards that nothing remains of its deeds.

    The parameter is the time of a job in seconds.
    """
    victim = Victim(make_daemon, plugins, tmp_path, getattr(request, "param", TIMEOUT_S))
    yield victim
    victim.check()


def do(victim: Victim, deeds: Sequence[str], act: Callable[[str, int], Answer]) -> Iterator[tuple[str, Answer]]:
    """Have each deed done beside 30 good jobs. Yield its answer, and print what it cost."""
    for number in range(ROUNDS):
        for deed in deeds:
            began_s = time.monotonic()
            with ThreadPoolExecutor(1) as pool:
                bad = pool.submit(act, deed, number)
                victim.good()
                answer = bad.result()
            said = answer.json().get("error", "") if answer.status != 200 else ""
            used = weigh(victim.pid)
            sys.stdout.write(
                f"{deed:26} {answer.status} {time.monotonic() - began_s:5.2f} s with {GOOD_JOBS} good jobs; daemon: "
                f"{used.memory_kib // 1024} MiB, {used.files} files; {said}\n"
            )
            yield deed, answer


def expect(victim: Victim, deeds: Sequence[str], status: int) -> None:
    """Check that each deed, in a render, gets this status, and a reason where that is an error."""
    for deed, answer in do(victim, deeds, victim.bad):
        assert answer.status == status, (deed, answer.body, victim.daemon.tail)
        assert status == 200 or answer.json()["error"], deed
        assert status != 503 or int(answer.headers["retry-after"]) >= 1, deed


def test_crashes(victim: Victim) -> None:
    """A picture that kills its worker is 415."""
    expect(victim, CRASHES, 415)


def test_kills(victim: Victim) -> None:
    """A picture whose worker kills itself, as an operator would, is 503 after three workers, and is not refused."""
    expect(victim, ["kill_itself"], 503)
    assert victim.daemon.log.read_text().count(": another one does the job again") == 2 * ROUNDS


def test_lies(victim: Victim) -> None:
    """What no worker says costs the worker, and the picture is 415; the log gets a bounded number of its lines."""
    expect(victim, list(LIES), 415)
    assert victim.daemon.log.read_text().count("flood") < 100 * ROUNDS


def test_memory(victim: Victim) -> None:
    """A picture that takes more memory than a worker may have is 413."""
    expect(victim, MEMORY, 413)


@pytest.mark.parametrize("victim", [SHORT_S], indirect=True)
def test_hangs(victim: Victim) -> None:
    """A picture that takes for ever is 503 at the deadline, also in C with Python's lock, and frees its worker."""
    began_s = time.monotonic()
    with ThreadPoolExecutor(len(HANGS)) as pool:
        for answer in pool.map(victim.bad, HANGS, range(1000, 1000 + len(HANGS))):
            assert answer.status == 503, answer.body
            assert answer.json()["error"]
            assert int(answer.headers["retry-after"]) >= 1
    sys.stdout.write(f"{HANGS} at once: answered after {time.monotonic() - began_s:.2f} s\n")
    victim.good()
    expect(victim, HANGS[-ROUNDS + 1 :] if ROUNDS > 1 else [], 503)


def test_escapes(victim: Victim) -> None:
    """A worker reaches no file, network or process beyond its own, and the attempt costs not even its own job."""
    expect(victim, ESCAPES, 200)


def test_faults(victim: Victim) -> None:
    """A result that breaks the contract is 500, and is not served."""
    expect(victim, FAULTS, 500)


@pytest.mark.parametrize("step", ["identify", "verify"])
def test_posts(victim: Victim, step: str) -> None:
    """A picture that kills its worker when it is posted is 415 or 413, and is not stored."""

    def post(deed: str, number: int) -> Answer:
        picture = bad_picture(step, deed, number)
        answer = victim.daemon.post("/p", picture)
        assert victim.daemon.get(f"/p/{hashlib.md5(picture).hexdigest()}/original").status == 404
        return answer

    for deed, answer in do(victim, ["segfault", "exit_with_0", "write_half", "eat_memory"], post):
        assert answer.status == (413 if deed in MEMORY else 415), (deed, answer.body)
    for deed, answer in do(victim, list(FACTS) if step == "identify" else [], post):
        assert answer.status == 500, (deed, answer.body)


def test_leaks(victim: Victim) -> None:
    """Workers that lose 50 MiB in each job are replaced before they exceed their limit."""
    digits = victim.daemon.post("/p", bad_picture("render", "leak")).json()["hash"]
    peak_kib = 0
    for number in range(1, GOOD_JOBS * ROUNDS + 1):
        answer = victim.daemon.get(f"/p/{digits}/w{1 + number % 40}-q{1 + number // 40}.png")
        assert answer.status == 200, (number, answer.body)
        tree = descendants(victim.pid)
        peak_kib = max(peak_kib, *(_memory_kib(pid) for pid in tree))
    sys.stdout.write(f"the largest worker had {peak_kib // 1024} MiB\n")
    assert peak_kib < MEMORY_BYTES // 1024 + 150 * 1024


def _memory_kib(pid: int) -> int:
    try:
        return weigh(pid).memory_kib
    except (OSError, KeyError):  # it has exited
        return 0


def test_a_hundred_clients_of_a_bad_picture(victim: Victim) -> None:
    """A hundred clients that ask for a picture that kills its worker cost one worker, also with other outputs later."""
    digits = victim.daemon.post("/p", bad_picture("render", "segfault")).json()["hash"]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(victim.daemon.get, [f"/p/{digits}/w5.png"] * 100))
    assert {answer.status for answer in answers} == {415}
    answers += [victim.daemon.get(f"/p/{digits}/w{width}.jpg") for width in range(1, 20)]
    assert {answer.status for answer in answers} == {415}
    assert len({answer.json()["error"] for answer in answers}) == 1
    assert len(re.findall(r"worker process \d+ died of SIGSEGV", victim.daemon.log.read_text())) == 1
