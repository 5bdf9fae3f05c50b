"""Profiles of the real daemon under load, read by `go tool pprof`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from daemon import Answer, Daemon, request, until
from handover import upgrade
from source_tree import ROOT

from imaged.testing.pictures import make_png

pytestmark = pytest.mark.whole_start

GO = shutil.which("go") or "/usr/local/go/bin/go"
WANTED = "status: {profile: true}\n"
PATIENCE_S = 240.0
"""Newer versions of Go build pprof at its first use, and keep it in GOCACHE or `build/go`."""


@pytest.fixture
def pprof(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs `go tool pprof` and returns its output."""
    if not Path(GO).is_file():
        pytest.skip("no go: it has the tool that reads profiles")
    home = str(tmp_path)
    environ = {
        **os.environ,
        "HOME": home,
        "GOCACHE": os.environ.get("GOCACHE") or str(ROOT / "build" / "go"),
        "GOPATH": f"{home}/path",
        "PPROF_TMPDIR": home,
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
    }

    def run(*arguments: str) -> str:
        command = [GO, "tool", "pprof", *arguments]
        ended = subprocess.run(
            command, cwd=home, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


@contextmanager
def rendering(daemon: Daemon) -> Iterator[None]:
    """Request new outputs all the time."""
    homes = [f"/p/{daemon.post('/p', make_png(900, 700 + each)).json()['hash']}" for each in range(10)]
    end, numbers = Event(), count()

    def ask() -> None:
        while not end.is_set():
            number = next(numbers)
            assert daemon.get(f"{homes[number % 10]}/w{100 + number // 10}.jpg").status == 200

    clients = [Thread(target=ask) for _ in range(2)]
    for each in clients:
        each.start()
    try:
        yield
    finally:
        end.set()
        for each in clients:
            each.join()


def take(daemon: Daemon, path: str) -> Answer:
    """GET from the status port."""
    return request(daemon.private, "GET", path)


def test_pprof_shows_where_time_goes(make_daemon: Callable[..., Daemon], pprof: Callable[..., str]) -> None:
    """The tool fetches a profile that has renders and the reactor, by thread, without idle threads."""
    daemon = make_daemon("status: {profile: cpu}\nrender: {isolation: thread}\n")  # it sees this process alone
    url = f"{daemon.private}/debug/pprof/profile?seconds=2"
    with rendering(daemon):
        raw = pprof("-raw", url)
        saved = daemon.folder / "cpu.pb.gz"
        saved.write_bytes(take(daemon, "/debug/pprof/profile?seconds=2").body)
        assert daemon.get("/status_check").status == 200
    assert "PeriodType: cpu nanoseconds" in raw
    assert "Period: 10000000" in raw
    assert re.search(r"^samples/count cpu/nanoseconds(\[dflt\])? wall/nanoseconds", raw, re.MULTILINE), raw[:500]
    assert re.search(r"imaged_magick\.\S+ \S*/imaged_magick/\w+\.py:\d+", raw), raw[-3000:]
    top = pprof("-top", "-cum", "-nodecount=500", str(saved))
    assert "Type: cpu" in top
    assert re.search(r"imaged_magick\.processor\.\S*render", top), top
    assert "twisted.internet.base.ReactorBase.run" in top
    traces = pprof("-traces", str(saved))
    assert "thread:" in traces
    assert "PoolThread-render" in traces
    assert pprof("-top", "-sample_index=wall", str(saved)).count("\n") > 5


def test_pprof_shows_where_memory_is(make_daemon: Callable[..., Daemon], pprof: Callable[..., str]) -> None:
    """The heap profile has bytes and blocks by function, of imaged and of libraries."""
    daemon = make_daemon(WANTED)
    url = f"{daemon.private}/debug/pprof/heap"
    with rendering(daemon):
        until(lambda: daemon.status()["processing"]["total"] >= 3, daemon)
        top = pprof("-top", "-cum", "-nodecount=1000", url)
    assert "Type: inuse_space" in top
    assert "imaged." in top
    assert "twisted." in top
    assert "Type: inuse_objects" in pprof("-top", "-sample_index=inuse_objects", url)


def test_a_reload_has_profiles_and_takes_them_back(make_daemon: Callable[..., Daemon]) -> None:
    """Without the setting, the paths are 404. SIGHUP applies the setting both ways."""
    daemon = make_daemon("")
    paths = ("/debug/threads", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1")
    assert [take(daemon, path).status for path in paths] == [404] * 3
    daemon.configure(WANTED)
    assert daemon.hup()["ok"]
    assert [take(daemon, path).status for path in paths] == [200] * 3
    threads = take(daemon, "/debug/threads").body.decode()
    reactor = threads.split("\n\n")[1]
    assert reactor.startswith('"MainThread" (the reactor), native id ')
    assert "twisted.internet.base.ReactorBase.run (" in reactor
    daemon.configure("")
    assert daemon.hup()["ok"]
    assert [take(daemon, path).status for path in paths] == [404] * 3


def test_profiles_after_a_handover(make_daemon: Callable[..., Daemon], pprof: Callable[..., str]) -> None:
    """After an upgrade, the profile has the reactor of the new process, with its CPU time."""
    daemon = make_daemon("status: {profile: cpu}\n")
    assert upgrade(daemon).wait() == 0, daemon.tail
    reactor = take(daemon, "/debug/threads").body.decode().split("\n\n")[1]
    head = rf'"MainThread" \(the reactor\), native id {daemon.pid}, no daemon, CPU time \d+\.\d{{3}} s'
    assert re.match(head, reactor), reactor
    saved = daemon.folder / "cpu.pb.gz"
    with rendering(daemon):
        saved.write_bytes(take(daemon, "/debug/pprof/profile?seconds=2").body)
    top = pprof("-top", "-cum", "-nodecount=500", "-tagfocus=thread=MainThread", str(saved))
    assert "twisted.internet.base.ReactorBase.run" in top, top


def test_the_daemon_leaves_during_a_profile(make_daemon: Callable[..., Daemon]) -> None:
    """The daemon exits at once, and the client receives the profile so far."""
    daemon = make_daemon("status: {profile: cpu}\n")
    answers: list[Answer] = []
    client = Thread(target=lambda: answers.append(take(daemon, "/debug/pprof/profile?seconds=300")))
    client.start()
    until(lambda: b"sampler.sample (" in take(daemon, "/debug/threads").body, daemon)
    assert daemon.stop() == 0
    client.join()
    assert answers[0].status == 200
    assert answers[0].body
