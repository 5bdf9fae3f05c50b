"""An uploader to S3, Amazon's or any compatible store, through boto3 on threads of its own.

`options` is the YAML section, `bucket` makes the blocking calls, `errors` translates their errors, and `uploader` runs
the calls on threads. The first call imports boto3, on a thread: the import would block the reactor for too long.
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
    """Return an uploader to the bucket that the options name."""
    options = host.options(Options)
    return S3Uploader(options, host.make_threads(host.upload_concurrency), host.upload_concurrency)
