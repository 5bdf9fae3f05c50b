"""More requests than the daemon can render: stored files do not wait, and refused clients know when to come back."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import yaml
from clients import connected
from daemon import Answer, Daemon, until
from drawn_pictures import jpeg, scene
from imaged_hostile import bad_picture
from processes import descendants, weigh

from imaged.testing.pictures import make_jpeg, make_png
from imaged.workers.process_workers import HEADER_WORKERS

pytestmark = pytest.mark.whole_start

CLIENTS, READERS = 200, 4
NEW = [f"{name}-q{quality}.jpg" for name in ("full_size", "w700") for quality in range(1, 101)]
"""The outputs of the clients: 200 different ones."""

RENDER = {"concurrency": 1, "timeout_s": 50, "isolation": "thread"}
GATED = {"processors": ["gate"], "plugins": {"gate": {"gate": "open"}}, "render": RENDER}
"""A processor whose renders of full size wait until the file `open` exists. A worker process may not look for it."""


def memory_mib(daemon: Daemon) -> float:
    """Return the resident memory of the daemon and of its workers."""
    pid = daemon.pid
    return sum(weigh(each).memory_kib for each in {pid, *descendants(pid)}) / 1024


class Readers:
    """Clients that read a stored output all the time, each on a kept connection."""

    def __init__(self, daemon: Daemon, target: str) -> None:
        self._daemon = daemon
        self._target = target
        self._ending = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.took_s: list[float] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read while the block runs."""
        with ThreadPoolExecutor(READERS) as pool:
            read = [pool.submit(self._read) for _ in range(READERS)]
            try:
                yield
            finally:
                self._ending.set()
            for each in read:
                each.result()

    def _read(self) -> None:
        connection = connected(self._daemon)
        while not self._ending.is_set():
            began_s = time.perf_counter()
            connection.request("GET", self._target)
            response = connection.getresponse()
            response.read()
            self.took_s.append(time.perf_counter() - began_s)
            self.statuses[response.status] += 1
        connection.close()

    def __str__(self) -> str:
        took_ms = sorted(1000 * each for each in self.took_s)
        middle, last = took_ms[len(took_ms) // 2], took_ms[len(took_ms) * 99 // 100]
        return f"{len(took_ms)} stored files: median {middle:.1f} ms, 99th percentile {last:.1f} ms"


def test_a_crowd(make_daemon: Callable[..., Daemon]) -> None:
    """200 clients ask at once for 200 new outputs, while four read a stored one.

    Each read succeeds, and each refusal has a Retry-After. The clients that follow it get their output in the end. The
    memory is bounded, and the daemon is idle afterwards.
    """
    daemon = make_daemon("", "render.concurrency=2", "render.queue=20", "render.timeout_s=20")
    home = f"/p/{daemon.post('/p', jpeg(scene())).json()['hash']}"
    assert daemon.get(f"{home}/w100.jpg").status == 200
    readers, start = Readers(daemon, f"{home}/w100.jpg"), threading.Barrier(CLIENTS)
    refusals: list[Answer] = []

    def ask(name: str) -> int:
        start.wait(60)
        end_s = time.monotonic() + 240
        while (answer := daemon.get(f"{home}/{name}")).status == 503 and time.monotonic() < end_s:
            refusals.append(answer)
            time.sleep(int(answer.headers["retry-after"]))
        return answer.status

    before_mib, began_s = memory_mib(daemon), time.monotonic()
    peak_mib = before_mib
    with ThreadPoolExecutor(CLIENTS) as pool, readers.reading():
        asked = [pool.submit(ask, name) for name in NEW]
        while not all(each.done() for each in asked):
            peak_mib = max(peak_mib, memory_mib(daemon))
            assert daemon.get("/status_check").status == 200
            time.sleep(0.2)
    took_s = time.monotonic() - began_s
    waits_s = Counter(int(each.headers["retry-after"]) for each in refusals)
    sys.stdout.write(
        f"{CLIENTS} new outputs in {took_s:.1f} s; {len(refusals)} refusals with a Retry-After of {dict(waits_s)}; "
        f"{readers}; memory {before_mib:.0f} MiB before, {peak_mib:.0f} MiB at most\n"
    )
    assert {each.result() for each in asked} == {200}, daemon.tail
    assert refusals
    assert all(1 <= seconds <= 60 for seconds in waits_s)
    assert set(readers.statuses) == {200}
    assert peak_mib < before_mib + 500
    until(lambda: is_idle(daemon), daemon, within_s=10)


def is_idle(daemon: Daemon) -> bool:
    """Say whether no render runs, waits or is queued."""
    status = daemon.status()
    renders, queued = status["processing"], status["promised"]
    return not (renders["current"] or renders["waiting"] or renders["busy"] or queued["current"] or queued["queued"])


@pytest.fixture
def gated(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> Daemon:
    """Return a daemon with one render thread, whose renders of full size wait until the file `open` exists."""
    return make_daemon(yaml.safe_dump(GATED), environ=plugins)


def begin(daemon: Daemon, target: str, body: bytes | None = None) -> http.client.HTTPConnection:
    """Send a GET, or a POST of `body`, and do not wait for the answer."""
    connection = connected(daemon, timeout_s=60)
    connection.request("GET" if body is None else "POST", target, body)
    return connection


def test_a_client_that_disconnects_frees_its_place(gated: Daemon) -> None:
    """Its output is not made, unless another client waits for it; a render that has begun is kept."""
    home = f"/p/{gated.post('/p', make_jpeg()).json()['hash']}"
    running, shared, alone = (f"{home}/full_size.{extension}" for extension in ("webp", "png", "gif"))
    leaving = [begin(gated, running)]
    until(lambda: gated.status()["processing"]["busy"] == 1, gated)
    leaving += [begin(gated, target) for target in (shared, alone)]
    staying = begin(gated, shared)
    until(lambda: gated.status()["processing"]["waiting"] == 2, gated)
    for connection in leaving:
        connection.close()
    until(lambda: gated.status()["processing"]["waiting"] == 1, gated)
    (gated.folder / "open").touch()
    assert staying.getresponse().status == 200
    staying.close()
    until(lambda: is_idle(gated), gated)
    made = gated.status()["processing"]["total"]
    assert made == 2, gated.tail
    names = {each["name"] for each in gated.get(f"{home}/info.json").json()["outputs"]}
    assert names == {"full_size.webp", "full_size.png"}


def test_requests_do_not_wait_for_queued_jobs(gated: Daemon) -> None:
    """A new output is made before one that was queued earlier."""
    home = f"/p/{gated.post('/p', make_jpeg()).json()['hash']}"
    running = begin(gated, f"{home}/full_size.webp")
    until(lambda: gated.status()["processing"]["busy"] == 1, gated)
    gated.post("/p?outputs=x20.png", make_jpeg())
    until(lambda: gated.status()["processing"]["waiting"] == 1, gated)
    asked = begin(gated, f"{home}/x10.png")
    until(lambda: gated.status()["processing"]["waiting"] == 2, gated)
    (gated.folder / "open").touch()
    for connection in (running, asked):
        assert connection.getresponse().status == 200
        connection.close()
    until(lambda: is_idle(gated), gated)
    began = [line.split()[2] for line in (gated.folder / "journal").read_text().splitlines() if " begin " in line]
    assert [name for name in began if name != "x1.jpg"] == ["full_size.webp", "x10.png", "x20.png"]


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_queued_job_of_many_outputs_gives_way(make_daemon: Callable[..., Daemon], isolation: str) -> None:
    """A client does not wait for the rest of them, which are made later."""
    daemon = make_daemon("", "render.concurrency=1", f"render.isolation={isolation}")
    names = [f"full_size-q{quality}.webp" for quality in range(71, 91)]
    info = daemon.post(f"/p?outputs={','.join(names)}", jpeg(scene(1600, 1200))).json()
    folder = daemon.store / "p" / info["partitionedHash"]
    until(lambda: any((folder / name).is_file() for name in names), daemon)
    assert daemon.get(f"/p/{info['hash']}/w20.jpg").status == 200
    made = sum((folder / name).is_file() for name in names)
    assert made < len(names) - 1, "the job has to be slow enough to be interrupted"
    daemon.wait_for_files(info, names)
    until(lambda: is_idle(daemon), daemon)
    renders = daemon.status()["processing"]
    assert (renders["total"], renders["failed"]) == (len(names) + 1, 0), daemon.tail
    assert "worker process" not in daemon.log.read_text()


def test_stored_files_do_not_wait_for_hostile_pictures(
    make_daemon: Callable[..., Daemon], plugins: dict[str, str]
) -> None:
    """Every worker, those for headers too, is held by one: stored files, the status and the health check answer."""
    daemon = make_daemon("processors: [hostile]\n", "render.concurrency=1", "render.timeout_s=60", environ=plugins)
    home = f"/p/{daemon.post('/p', make_png()).json()['hash']}"
    assert daemon.get(f"{home}/x10.png").status == 200
    slow = daemon.post("/p", bad_picture("render", "sleep")).json()["hash"]
    held = [begin(daemon, f"/p/{slow}/x10.png"), begin(daemon, f"{home}/x20.png")]
    held += [begin(daemon, "/p", bad_picture("identify", "sleep", number)) for number in range(12)]

    def is_held() -> bool:
        status = daemon.status()
        renders = status["processing"]
        return status["posting"]["current"] > HEADER_WORKERS and (renders["busy"], renders["waiting"]) == (1, 1)

    until(is_held, daemon)
    for target in (f"{home}/x10.png", f"{home}/info.json", f"{home}/original", "/status_check"):
        assert daemon.get(target).status == 200
    assert is_held()
    daemon.kill()
    for connection in held:
        connection.close()
