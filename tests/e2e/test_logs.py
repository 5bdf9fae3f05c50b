"""A log that cannot be written loses lines, and nothing else."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemon import request
from ports import free_port

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, which is always full")
def test_standard_error_on_a_full_disk(tmp_path: Path) -> None:
    """The daemon answers requests, reloads and exits with status 0; its status counts the lost lines."""
    public, private = free_port(), free_port()
    ports = (f"listen=tcp:{public}:interface=127.0.0.1", f"status.listen=tcp:{private}:interface=127.0.0.1")
    sets = [argument for each in ports for argument in ("--set", each)]
    (tmp_path / "imaged.yaml").write_text("")
    with FULL.open("wb") as full:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "imaged", "run", "-c", "imaged.yaml", *sets], cwd=tmp_path, stderr=full
        )
    try:
        end_s = time.monotonic() + 30
        while not answers(f"http://127.0.0.1:{private}"):
            assert time.monotonic() < end_s
            time.sleep(0.05)
        connection = http.client.HTTPConnection("127.0.0.1", public, timeout=30)
        for _ in range(5000):  # more than one write and the queue hold
            connection.request("GET", "/status_check")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"OK\n")
        connection.close()
        assert request(f"http://127.0.0.1:{private}", "POST", "/reload", b"").json()["ok"]
        log = request(f"http://127.0.0.1:{private}", "GET", "/status.json").json()["log"]
        assert log["lost"] > 100
        assert log["fault"] == "standard error: No space left on device"
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=30) == 0
    finally:
        daemon.kill()
        daemon.wait()


def answers(base: str) -> bool:
    """Say whether a daemon answers."""
    try:
        return request(base, "GET", "/status_check").status == 200
    except OSError:
        return False
