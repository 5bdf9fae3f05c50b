"""A remote store in S3, Amazon's or anybody's that speaks the same protocol, through boto3 on threads of its own.

`options` are what the operator says, `bucket` the blocking calls, `faults` what their errors mean, and `uploader` puts
the calls on threads. boto3 is imported there, with the first call: it takes too long for the reactor.
"""

from __future__ import annotations

from importlib.util import find_spec

from imaged.api import Host, Uploader, hookimpl, how_to_install

from .options import Options
from .uploader import S3Uploader

if find_spec("boto3") is None:
    raise ImportError(f"boto3 is missing: {how_to_install('s3', 'python3-boto3')}")


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Keep files in the bucket that the options name."""
    options = host.options(Options)
    return S3Uploader(options, host.make_threads(host.upload_concurrency), host.upload_concurrency)
