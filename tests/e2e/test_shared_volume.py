"""Several daemons on one volume, as in container upgrades: none deletes the incoming files of another."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from daemon import PORTS, Answer, Daemon, until
from loopback_origin import Origin

from imaged.testing.pictures import make_png

pytestmark = pytest.mark.whole_start

FIRST_PROCESS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
STARTS = 3
POSTS = 3


@pytest.fixture
def volume(tmp_path: Path) -> str:
    """Return settings of daemons that share a store. Skip the test without PID namespaces."""
    found = subprocess.run([*FIRST_PROCESS, "true"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(
            f"no PID namespace: {found.stderr.strip()}; run the tests as root, or in a container with SYS_ADMIN"
        )
    return settings(tmp_path / "volume")


def settings(store: Path) -> str:
    """Return the settings of a daemon on this store."""
    sources = {"allow_networks": ["127.0.0.0/8"], "timeout_s": 30}
    return yaml.safe_dump({"store": {"path": str(store)}, "sources": sources})


def begin(daemon: Daemon, origin: Origin, pool: ThreadPoolExecutor, turn: str) -> dict[str, Future[Answer]]:
    """Begin posts, and return when half of each has arrived: answers by hash."""
    posts = {}
    for number in range(POSTS):
        body = make_png(200, 200, comment=f"{turn} {number} {'x' * 5000}")
        name = f"{turn}-{number}.png"
        origin.pictures[name] = body
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        posts[md5] = pool.submit(daemon.post, f"/p?source={quote(f'{origin.url}/slow/{name}', safe='')}")
    until(lambda: daemon.status()["downloads"]["current"] == POSTS, daemon)
    until(lambda: all(f"/slow/{turn}-{number}.png" in origin.hits for number in range(POSTS)), daemon)
    return posts


def test_the_second_start_loses_nothing_of_the_first(
    make_daemon: Callable[..., Daemon], volume: str, origin: Origin
) -> None:
    """Both are process 1, each in its PID namespace."""
    first = make_daemon(volume, around=FIRST_PROCESS)
    second = make_daemon(volume, around=FIRST_PROCESS)
    assert (first.pid, second.pid) == (1, 1)
    with ThreadPoolExecutor(2 * POSTS) as pool:
        for turn in range(STARTS):
            origin.release.clear()
            posts = begin(first, origin, pool, f"first-{turn}")
            if turn:
                begin(second, origin, pool, f"second-{turn}")
                second.kill()  # leaves three files, which its next start removes, and no others
            else:
                assert second.stop() == 0
            second.start()
            assert ("removed 3 unfinished files" in second.log.read_text()) == bool(turn)
            origin.release.set()
            assert {md5: post.result().status for md5, post in posts.items()} == dict.fromkeys(posts, 200)
            for md5, post in posts.items():
                kept = second.get(f"/p/{post.result().json()['partitionedHash']}/original").body
                assert hashlib.md5(kept, usedforsecurity=False).hexdigest() == md5


def test_a_queue_is_shared_for_one_store_alone(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Two daemons of one store share a queue. The daemon of another store does not start on it."""
    state = f"state_dir={tmp_path / 'state'}"
    first = make_daemon(settings(tmp_path / "volume"), state)
    make_daemon(settings(tmp_path / "volume"), state)
    (first.folder / "other.yaml").write_text(settings(tmp_path / "other"))
    sets = [word for each in (*PORTS, state) for word in ("--set", each)]
    other = subprocess.run(
        [sys.executable, "-m", "imaged", "run", "-c", "other.yaml", *sets],
        cwd=first.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert other.returncode == 1
    assert "state_dir: the job queue in" in other.stderr
    assert "for another store" in other.stderr
    assert "give each store a state_dir of its own" in other.stderr
