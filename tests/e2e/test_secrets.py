"""No secret of the settings reaches the log, the status page, an error message or the output of a command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from daemon import Daemon, request, until
from manta_identity import md5_id, write_key
from ports import free_port

from imaged.testing.pictures import make_jpeg

pytestmark = pytest.mark.whole_start

SECRETS = {
    "S3_SECRET": "hunter2SecretOfTheBucket",
    "SENTRY_DSN": "http://hunter2KeyOfSentry@127.0.0.1:9/1",
    "BROKEN_DSN": "hunter2 is not a DSN",
    "PASSPHRASE": "hunter2 opens nothing",
}
WORD = "hunter2"


def s3() -> dict[str, Any]:
    """Return the options of a bucket that is away."""
    return {
        "bucket": "pictures",
        "endpoint_url": f"http://127.0.0.1:{free_port()}",
        "access_key_id": "me",
        "secret_access_key": {"env": "S3_SECRET"},
    }


def test_a_daemon_whose_servers_are_away_shows_no_secret(make_daemon: Callable[..., Daemon]) -> None:
    """The daemon logs and shows that uploads fail, without its credentials."""
    section = {"s3": s3(), "sentry": {"dsn": {"env": "SENTRY_DSN"}}}
    settings = {"uploader": "s3", "metrics": ["prometheus", "sentry"], "plugins": section}
    daemon = make_daemon(yaml.safe_dump(settings), environ=SECRETS)
    daemon.post("/p", make_jpeg())
    until(lambda: b"cannot be reached" in daemon.log.read_bytes(), daemon)
    pages = [request(daemon.private, "GET", path).body for path in ("/", "/status.json", "/metrics")]
    daemon.configure(yaml.safe_dump({**settings, "plugins": {**section, "sentry": {"dsn": {"env": "BROKEN_DSN"}}}}))
    refused = daemon.reload()
    assert b"plugins.sentry.dsn" in refused.body
    pages += [refused.body, request(daemon.private, "GET", "/").body]
    assert daemon.stop() == 0
    for shown in [*pages, daemon.log.read_bytes()]:
        assert WORD not in shown.decode()


@pytest.mark.parametrize(
    ("named", "command", "printed"),
    [
        ("s3", ["check"], ""),
        ("s3", ["check", "--deep"], "cannot be reached"),
        ("s3", ["config", "show"], "env: S3_SECRET"),
        ("manta", ["check"], "does not open with key_passphrase"),
        ("manta", ["config", "show"], "env: PASSPHRASE"),
        ("sentry", ["check"], "plugins.sentry.dsn: not a DSN"),
        ("sentry", ["config", "show"], "env: BROKEN_DSN"),
    ],
)
def test_a_command_shows_no_secret(tmp_path: Path, named: str, command: list[str], printed: str) -> None:
    """Commands name the faulty option, or show the reference as written."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_key(private, tmp_path / "key", passphrase="another passphrase")
    manta: dict[str, Any] = {
        "url": f"https://127.0.0.1:{free_port()}",
        "account": "me",
        "key_id": md5_id(private),
        "key_file": str(tmp_path / "key"),
        "key_passphrase": {"env": "PASSPHRASE"},
    }
    settings: dict[str, Any] = {
        "s3": {"uploader": "s3", "plugins": {"s3": s3()}},
        "manta": {"uploader": "manta", "plugins": {"manta": manta}},
        "sentry": {"metrics": ["sentry"], "plugins": {"sentry": {"dsn": {"env": "BROKEN_DSN"}}}},
    }[named]
    settings |= {"store": {"path": str(tmp_path / "public")}, "state_dir": str(tmp_path / "state")}
    (tmp_path / "imaged.yaml").write_text(yaml.safe_dump(settings))
    done = subprocess.run(
        [sys.executable, "-m", "imaged", *command, "-c", "imaged.yaml"],
        cwd=tmp_path,
        env={**os.environ, **SECRETS},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert printed in done.stdout + done.stderr
    assert WORD not in done.stdout + done.stderr
