"""Run S3 stores as processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from server_process import ServerProcess

ACCESS_KEY_ID = "AKIAEXAMPLE"
SECRET_ACCESS_KEY = "SECRETEXAMPLE123"


class StoreProcess(ServerProcess):
    """An S3 store in a process of its own."""

    hidden = ("AWS_", "RCLONE_", "MOTO_")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bucket = ""  # the one that was made last

    def client(self) -> Any:
        """Return a boto3 client, which the caller closes."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )

    def options(self, bucket: str) -> dict[str, str]:
        """Return the section `plugins.s3` for a bucket of this store."""
        return {
            "bucket": bucket,
            "region": "us-east-1",
            "endpoint_url": self.url,
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
        }
