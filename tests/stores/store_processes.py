"""Programs that are stores: started on a port of loopback, waited for, and ended."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from ports import free_port, listens, url

ACCESS_KEY_ID = "AKIAEXAMPLE"
SECRET_ACCESS_KEY = "SECRETEXAMPLE123"

LONGEST_S = 30.0


class StoreProcess:
    """One store in a process of its own; it says what it has to say in `log` in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = url(self.port)
        self.bucket = ""  # the one that was made last
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the words that start the program."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, on the same port each time; return when it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, env=_without_aws(), start_new_session=True
            )
        deadline = time.monotonic() + LONGEST_S
        while not listens(self.port):
            assert self._process.poll() is None, self.tail
            assert time.monotonic() < deadline, f"no answer: {self.tail}"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        """Return a client of the test's own, which the caller closes."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )

    def options(self, bucket: str) -> dict[str, str]:
        """Return the section `plugins.s3` that uses a bucket of this store."""
        return {
            "bucket": bucket,
            "region": "us-east-1",
            "endpoint_url": self.url,
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
        }

    @property
    def tail(self) -> str:
        """Return the last of what it said."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]


def _without_aws() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "MOTO_"))}
