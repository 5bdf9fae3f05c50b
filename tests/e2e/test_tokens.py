"""Tokens of a real daemon: their rotation under load, what stays hidden, and the start without one."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from daemon import Daemon, request, until
from ports import free_port

from imaged.testing.pictures import make_jpeg

OLD, NEW, WRONG = "imaged_old-9f1c7a0b5e24", "imaged_new-3d8e61f2c407", "imaged_wrong-0a9b8c7d6e5f"
KEY = "signing-key-5a1b9c3d7e20"
PICTURE = make_jpeg()
CLIENTS = 4
"""How many clients have each token."""


def settings(*names: str) -> str:
    """Return settings that refer to the files of these tokens."""
    tokens = [{"name": name, "token": {"file": f"{name}.token"}} for name in names]
    return yaml.safe_dump({"access": {"tokens": tokens, "signing_keys": [{"file": "signing.key"}]}})


def write_secrets(folder: Path) -> None:
    """Write the files of the tokens and the key, as an operator does."""
    for name, text in (("old.token", OLD), ("new.token", NEW), ("signing.key", KEY)):
        (folder / name).write_text(f"{text}\n")


def bearer(token: str) -> Mapping[str, str]:
    """Return the header of a token."""
    return {"Authorization": f"Bearer {token}"}


def imaged(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the settings of a folder."""
    command = [sys.executable, "-m", "imaged", *arguments, "-c", "imaged.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


class Clients:
    """Clients that post with one token all the time. `seen` has the time each request was sent at, and its status."""

    def __init__(self, public: str, token: str) -> None:
        self.seen: list[tuple[float, int]] = []
        self._public, self._token = public, token
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._runs = [self._pool.submit(self._run) for _ in range(CLIENTS)]

    def end(self) -> None:
        """End the clients, and raise what one of them raised."""
        self._ending.set()
        for run in self._runs:
            run.result()
        self._pool.shutdown()

    def statuses(self, since_s: float, until_s: float = float("inf")) -> Sequence[int]:
        """Return the statuses of the answers to the requests that were sent within a time."""
        return [status for sent_s, status in list(self.seen) if since_s < sent_s < until_s]

    def _run(self) -> None:
        while not self._ending.wait(0.02):
            sent_s = time.monotonic()
            self.seen.append((sent_s, request(self._public, "POST", "/p", PICTURE, bearer(self._token)).status))


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], tmp_path: Path) -> Daemon:
    """Return a daemon that has the old token, in a file."""
    write_secrets(tmp_path)
    environ = {"OLD": OLD, "NEW": NEW, "KEY": KEY}
    started = make_daemon("access: {tokens: [{name: old, token: {env: OLD}}]}", environ=environ)
    write_secrets(started.folder)
    return started


def test_rotation_under_load(daemon: Daemon) -> None:
    """From one SIGHUP on both tokens are valid, and from the next one on the new one alone: no request is lost."""
    old, new = Clients(daemon.public, OLD), Clients(daemon.public, NEW)

    def settle() -> float:
        """Return a time before which each client has sent a request since now."""
        began_s = time.monotonic()
        until(lambda: all(len(each.statuses(began_s)) >= 3 * CLIENTS for each in (old, new)), daemon)
        return time.monotonic()

    try:
        one_s = settle()
        daemon.configure(settings("old", "new"))
        assert daemon.hup()["ok"], daemon.tail
        both_s = time.monotonic()
        until_s = settle()
        daemon.configure(settings("new"))
        assert daemon.hup()["ok"], daemon.tail
        after_s = time.monotonic()
        settle()
    finally:
        old.end()
        new.end()
    assert set(old.statuses(0, until_s)) == {200}
    assert set(new.statuses(0, one_s)) == {401}
    assert set(new.statuses(both_s)) == {200}
    assert set(old.statuses(after_s)) == {401}


def test_no_secret_is_shown(daemon: Daemon) -> None:
    """Neither log, status, nor a command shows a token, a wrong one, a key or a signature."""
    daemon.configure(settings("old", "new"))
    assert daemon.hup()["ok"], daemon.tail
    signed = imaged(daemon.folder, "sign", "--post", "p").stdout.strip()
    signature = signed.rpartition("=")[2]
    assert len(signature) == 22
    for target, headers, status in (
        ("/p", bearer(NEW), 200),
        ("/p", bearer(WRONG), 401),
        (signed, {}, 200),
        (signed.replace("/p?", "/q?"), {}, 403),
        (f"{signed}&source=http://127.0.0.1:9/a", {}, 403),
    ):
        assert request(daemon.public, "POST", target, PICTURE, headers).status == status
    shown = [request(daemon.private, "GET", path).body.decode() for path in ("/", "/status.json")]
    for arguments in (["config", "show"], ["check"]):
        done = imaged(daemon.folder, *arguments)
        assert done.returncode == 0
        shown += [done.stdout, done.stderr]
    assert "file: new.token" in "".join(shown)
    assert daemon.stop() == 0
    log = daemon.log.read_text()
    assert '"token": "new"' in log
    for secret in (OLD, NEW, WRONG, KEY, signature):
        assert not [text for text in (*shown, log) if secret in text]


def test_a_start_that_would_be_open_to_others(tmp_path: Path) -> None:
    """Both the check and the daemon name the line of `listen`, and say what to do."""
    (tmp_path / "imaged.yaml").write_text(f"# open\nlisten: tcp:{free_port()}\n")
    for command in (["check"], ["run"]):
        done = imaged(tmp_path, *command)
        assert done.returncode == 1
        assert "imaged.yaml:2: listen: without access.tokens, every machine that reaches this address" in done.stderr
