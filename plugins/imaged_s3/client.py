"""Make a boto3 client for S3."""

from __future__ import annotations

from typing import Any

from boto3.session import Session
from botocore.config import Config

from .options import Options
from .timeouts import Timeouts

CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")


def make_client(options: Options, connections: int, timeouts: Timeouts) -> Any:
    """Return a client in a session of its own: boto3's default session is not thread-safe."""
    secret = options.secret_access_key
    session = Session(
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        region_name=options.region,
    )
    config = Config(
        max_pool_connections=connections,
        connect_timeout=timeouts.connect_s,
        read_timeout=timeouts.read_s,
        retries={"mode": "standard", "total_max_attempts": timeouts.attempts},
        tcp_keepalive=True,
        s3={"addressing_style": options.addressing},
        # Many stores other than Amazon's refuse the checksums that boto3 1.36 introduced.
        **(dict.fromkeys(CHECKSUMS, "when_required") if options.endpoint_url else {}),
    )
    return session.client("s3", endpoint_url=options.endpoint_url, config=config)
