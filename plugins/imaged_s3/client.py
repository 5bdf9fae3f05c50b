"""boto3's client, set up for one plugin."""

from __future__ import annotations

from typing import Any

from boto3.session import Session
from botocore.config import Config

from .options import Options
from .patience import Patience

CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")


def make_client(options: Options, connections: int, patience: Patience) -> Any:
    """Return a client for S3 in a session of its own, since the one that boto3 shares is not safe among threads."""
    secret = options.secret_access_key
    session = Session(
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        region_name=options.region,
    )
    config = Config(
        max_pool_connections=connections,
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        tcp_keepalive=True,
        s3={"addressing_style": options.addressing},
        # Checksums that came with boto3 1.36 are refused by many a store that is not Amazon's.
        **(dict.fromkeys(CHECKSUMS, "when_required") if options.endpoint_url else {}),
    )
    return session.client("s3", endpoint_url=options.endpoint_url, config=config)
