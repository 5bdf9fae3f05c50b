"""One bucket, by blocking calls: put, get, list and delete."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from imaged.api import StoreError, StoreUnavailableError

from .client import make_client
from .faults import refused, translated
from .options import Options
from .patience import Patience

CHUNK_BYTES = 2**16
LARGE_BYTES = 8 * 2**20
"""A larger file goes up in parts of this size, so that a broken connection costs one part."""

IN_PARTS = TransferConfig(
    multipart_threshold=LARGE_BYTES,
    multipart_chunksize=LARGE_BYTES,
    use_threads=False,  # how much runs at once is the operator's upload.concurrency
    preferred_transfer_client="classic",  # another one would have threads of its own
)
DELETE_KEYS = 1000
"""What DeleteObjects takes at once."""

NO_SUCH_KEY = {"NoSuchKey", "404"}
"""The second is what botocore makes of a 404 without words, which some stores answer."""


class Bucket:
    """The calls, each with its errors translated; any thread. `client` is boto3's, and safe to share."""

    def __init__(self, options: Options, client: Any, patience: Patience) -> None:
        self._options = options
        self._client = client
        self._patience = patience

    def upload(self, key: str, path: Path, content_type: str) -> None:
        """Put a file; a large one in parts, which are given up together when one fails."""
        headers = self._options.headers(content_type)
        with translated("PutObject", self._options, key), path.open("rb") as source:
            # A small file is read before it is sent, so that a failure to read is not taken for the network's.
            body = source.read(LARGE_BYTES)
            if len(body) < LARGE_BYTES:
                self._client.put_object(Bucket=self._options.bucket, Key=key, Body=body, **headers)
            else:
                source.seek(0)
                self._client.upload_fileobj(source, self._options.bucket, key, ExtraArgs=headers, Config=IN_PARTS)

    def download(self, key: str, path: Path) -> bool:
        """Get a file, which appears at `path` when it is whole; say whether there is one."""
        with translated("GetObject", self._options, key):
            try:
                answer = self._client.get_object(Bucket=self._options.bucket, Key=key)
            except ClientError as error:
                if error.response["Error"].get("Code") in NO_SUCH_KEY:
                    return False
                raise
            temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
            try:
                with answer["Body"] as body, temporary.open("wb") as target:
                    self._copy(key, body, target, answer.get("ContentLength"))
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def list(self, prefix: str) -> Sequence[str]:
        """Return all keys with this beginning, sorted."""
        with translated("ListBucket", self._options):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._options.bucket, Prefix=prefix)
            return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete keys. Those that are not there are no matter."""
        for start in range(0, len(keys), DELETE_KEYS):
            some = [{"Key": key} for key in keys[start : start + DELETE_KEYS]]
            with translated("DeleteObject", self._options):
                answer = self._client.delete_objects(
                    Bucket=self._options.bucket, Delete={"Objects": some, "Quiet": True}
                )
            failed = [each for each in answer.get("Errors", ()) if each.get("Code") not in NO_SUCH_KEY]
            for each in failed:  # one is as good as all: whoever asked has to ask again
                raise refused({"Error": each}, "DeleteObject", self._options, each.get("Key", ""))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _copy(self, key: str, body: Any, target: Any, size_bytes: int | None) -> None:
        began_s = monotonic()
        written_bytes = 0
        while chunk := body.read(CHUNK_BYTES):
            written_bytes += target.write(chunk)
            if monotonic() - began_s > self._patience.allowed_s(written_bytes):
                raise StoreError(f"{self._options.place}/{key} came too slowly, and was given up; is the line full?")
        if size_bytes not in {written_bytes, None}:  # a chunked answer says no size, and has an end of its own
            raise StoreError(
                f"{self._options.place}/{key} was cut short, {written_bytes} of {size_bytes} bytes came; try again"
            )


def open_bucket(options: Options, connections: int, patience: Patience) -> Bucket:
    """Make a client, which makes no connection yet, and return the bucket."""
    with translated("ListBucket", options):
        try:
            client = make_client(options, connections, patience)
        except ValueError as error:  # botocore's word for an address, whichever setting of its own it found it in
            raise StoreUnavailableError(f"{options.place}: no client can be made; correct endpoint_url") from error
        return Bucket(options, client, patience)
