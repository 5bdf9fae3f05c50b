"""SIGTERM while a plugin hangs: the daemon abandons the call, and destroys nothing that the call uses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from daemon import Daemon, until
from processes import LONGEST_S

from imaged.testing.pictures import make_jpeg

pytestmark = pytest.mark.whole_start

PICTURE = make_jpeg()


def settings(at: str, role: dict[str, Any]) -> str:
    """Return settings with which one call of the plugin hangs. A worker process would be killed."""
    lines = {"metrics": ["lines"], "plugins": {"stuck": {"at": at}, "lines": {"path": "lines"}}}
    return yaml.safe_dump(
        {"shutdown_timeout_s": 0.3, "render": {"timeout_s": 0.2, "isolation": "thread"}} | lines | role
    )


@pytest.mark.parametrize(
    ("at", "role", "number", "thread"),
    [
        ("render", {"processors": ["stuck"]}, signal.SIGTERM, "render"),
        ("identify", {"processors": ["stuck"]}, signal.SIGINT, "work"),
        ("upload", {"uploader": "stuck"}, signal.SIGTERM, "stuck"),
        ("record", {"metrics": ["stuck", "lines"]}, signal.SIGTERM, "metrics stuck"),
    ],
)
def test_nothing_else_is_skipped(
    make_daemon: Callable[..., Daemon],
    plugins: dict[str, str],
    at: str,
    role: dict[str, Any],
    number: signal.Signals,
    thread: str,
) -> None:
    """The daemon exits with status 0 and a sound queue, and logs the abandoned call."""
    daemon = make_daemon(settings(at, role), environ=plugins)
    (daemon.folder / "stick").touch()
    connection = ask(daemon, "/p?outputs=x30.webp")
    until((daemon.folder / "sticks").exists, daemon)
    daemon.process.send_signal(number)
    assert daemon.process.wait(timeout=LONGEST_S) == 0, daemon.tail
    connection.kill()
    connection.wait()
    assert not (daemon.folder / "unloaded").exists()
    assert list((daemon.folder / "var" / "state" / "owners").iterdir()) == []
    lines = [json.loads(line)["message"] for line in daemon.log.read_text().splitlines()]
    assert [line for line in lines if line.startswith("still running at shutdown: thread") and f"-{thread}-" in line], (
        lines
    )
    assert "shut down" in lines
    events = [json.loads(line)["event"] for line in (daemon.folder / "lines").read_text().splitlines()]
    if at == "render":
        assert any(line.startswith("still running at shutdown: x30.webp of p/") for line in lines), lines
        assert "RequestAnswered" in events
        assert not (daemon.folder / "closed-processor").exists()


def test_an_older_generation(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """The log names a hanging render of an earlier generation, too, and that generation's sinks are closed."""
    stuck = {"processors": ["stuck"], "metrics": ["stuck"]}
    daemon = make_daemon(settings("render", stuck), environ=plugins)
    (daemon.folder / "stick").touch()
    daemon.post("/p?outputs=x30.webp", PICTURE)
    until((daemon.folder / "sticks").exists, daemon)
    daemon.configure(settings("", {"metrics": []}))
    assert daemon.reload().status == 200
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=LONGEST_S) == 0, daemon.tail
    assert not (daemon.folder / "unloaded").exists()
    assert "still running at shutdown: x30.webp of p/" in daemon.log.read_text()
    assert (daemon.folder / "closed-sink").exists()
    assert not (daemon.folder / "closed-processor").exists()


def test_a_handover(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """The old process exits with status 0, and the new one serves."""
    daemon = make_daemon(settings("render", {"processors": ["stuck"]}), environ=plugins)
    (daemon.folder / "stick").touch()
    daemon.post("/p?outputs=x30.webp", PICTURE)
    until((daemon.folder / "sticks").exists, daemon)
    (daemon.folder / "stick").unlink()
    old = daemon.pid
    daemon.process.send_signal(signal.SIGUSR2)
    assert daemon.process.wait(timeout=LONGEST_S) == 0, daemon.tail
    assert daemon.pid != old
    assert "still running at shutdown: x30.webp of p/" in daemon.log.read_text()
    assert not (daemon.folder / "unloaded").exists()


def test_a_batch(tmp_path: Path, plugins: dict[str, str]) -> None:
    """A batch exits by SIGTERM and prints the pictures that it had done."""
    (tmp_path / "imaged.yaml").write_text(settings("render", {"processors": ["stuck"], "metrics": []}))
    (tmp_path / "picture").write_bytes(PICTURE)
    (tmp_path / "stick").touch()
    command = [sys.executable, "-m", "imaged", "process", "-c", "imaged.yaml", "--outputs", "x30.webp", "picture"]
    with subprocess.Popen(command, cwd=tmp_path, env=plugins, stderr=subprocess.PIPE, text=True) as batch:
        wait_for(tmp_path / "sticks", batch)
        batch.send_signal(signal.SIGTERM)
        _, errors = batch.communicate(timeout=LONGEST_S)
    assert batch.returncode == 128 + signal.SIGTERM
    assert "1 unfinished" in errors
    assert not (tmp_path / "unloaded").exists()
    assert not (tmp_path / "closed-processor").exists()


def test_a_deep_check(tmp_path: Path, plugins: dict[str, str]) -> None:
    """A second signal, SIGINT, gives a status of failure."""
    (tmp_path / "imaged.yaml").write_text(settings("trial", {"processors": ["stuck"], "metrics": []}))
    (tmp_path / "stick").touch()
    command = [sys.executable, "-m", "imaged", "check", "--deep", "-c", "imaged.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, env=plugins, stdout=subprocess.PIPE, text=True) as check:
        wait_for(tmp_path / "sticks", check)
        check.send_signal(signal.SIGINT)
        check.communicate(timeout=LONGEST_S)
    assert check.returncode == 1
    assert not (tmp_path / "unloaded").exists()


def test_plugins_that_are_not_stuck_are_unloaded(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> None:
    """Without a hanging call, the daemon closes plugins, and the interpreter calls their exit handlers."""
    daemon = make_daemon(settings("render", {"processors": ["stuck"]}), environ=plugins)
    assert daemon.stop() == 0
    assert (daemon.folder / "closed-processor").exists()
    assert (daemon.folder / "unloaded").exists()


def ask(daemon: Daemon, target: str) -> subprocess.Popen[bytes]:
    """Post the picture from another process: the answer may never come."""
    program = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], sys.stdin.buffer.read())"
    command = [sys.executable, "-c", program, f"{daemon.public}{target}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(PICTURE)
    process.stdin.close()
    return process


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the file exists."""
    while not path.exists():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)
