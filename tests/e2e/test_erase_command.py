"""`imaged erase` beside a running daemon, and while none runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from daemon import Daemon, until
from rclone import RcloneS3

from imaged.testing.pictures import make_jpeg

PICTURE = make_jpeg()


def erase(daemon: Daemon, *words: str) -> str:
    """Run `imaged erase` with the daemon's settings; return what it prints."""
    command = [sys.executable, "-m", "imaged", "erase", "-c", "imaged.yaml", *words]
    done = subprocess.run(command, cwd=daemon.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_running_daemon_answers_410_at_once(make_daemon: Callable[..., Daemon]) -> None:
    """After the command, each file is 410, whatever the daemon kept in memory; the log has who erased it."""
    daemon = make_daemon()
    home = f"/p/{daemon.post('/p', PICTURE).json()['partitionedHash']}"
    names = ("w30.jpg", "x20.webp", "w30.auto", "original", "info.json")
    for _ in range(3):
        assert [daemon.get(f"{home}/{name}").status for name in names] == [200] * len(names)
    assert "erased" in erase(daemon, "p", f"{daemon.public}{home}/w30.jpg")
    assert [daemon.get(f"{home}/{name}").status for name in names] == [410] * len(names)
    until(lambda: "for imaged erase (" in daemon.tail, daemon)
    assert daemon.post("/p", PICTURE).status == 200
    assert daemon.get(f"{home}/w30.jpg").status == 200


def test_the_next_daemon_does_the_rest(make_daemon: Callable[..., Daemon], rclone_s3: RcloneS3) -> None:
    """A picture that is erased while no daemon runs leaves the bucket when one starts; so do forgotten outputs."""
    bucket = Path(rclone_s3.buckets) / rclone_s3.make_bucket()
    options = ", ".join(f"{name}: {text}" for name, text in rclone_s3.options(bucket.name).items())
    daemon = make_daemon(f"{{uploader: s3, plugins: {{s3: {{{options}}}}}}}")
    other = PICTURE + b"\0"
    homes = [f"p/{daemon.post('/p?outputs=w30.jpg', body).json()['partitionedHash']}" for body in (PICTURE, other)]
    until(lambda: all((bucket / home / "w30.jpg").exists() for home in homes), daemon)
    daemon.stop()
    assert "queued for the daemon: remote files" in erase(daemon, "p", homes[0])
    assert "forgot 1 local outputs" in erase(daemon, "p", homes[1], "--outputs")
    assert (bucket / homes[0] / "original").exists()
    daemon.start()
    until(lambda: not list(bucket.glob(f"{homes[0]}/*")), daemon)
    until(lambda: not (bucket / homes[1] / "w30.jpg").exists(), daemon)
    assert daemon.get(f"/{homes[0]}/original").status == 410
    assert daemon.get(f"/{homes[1]}/original").status == 200
    assert daemon.get(f"/{homes[1]}/w30.jpg").status == 200
