"""Put, get, list and delete objects of one bucket, with blocking calls."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError

from imaged.api import StoreError, StoreUnavailableError, TooLargeError

from .errors import refusal_error, translated
from .options import Options
from .timeouts import Timeouts

CHUNK_BYTES = 2**16
LARGE_BYTES = 8 * 2**20
"""Larger files are uploaded in parts of this size, so that a lost connection costs one part."""

IN_PARTS = TransferConfig(
    multipart_threshold=LARGE_BYTES,
    multipart_chunksize=LARGE_BYTES,
    use_threads=False,  # the operator's upload.concurrency sets how many calls run at once
    preferred_transfer_client="classic",  # the other client has threads of its own
)
DELETE_KEYS = 1000
"""The most keys that DeleteObjects accepts."""

CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")

VERSION = re.compile(r"[!-~]{1,500}")
"""The ETags that imaged can keep."""

NO_SUCH_KEY = {"NoSuchKey", "404"}
"""Error codes for a missing key; botocore reports a 404 without a body, as some stores send it, as "404"."""


class Bucket:
    """Calls of a boto3 client, which threads may share. Any thread. They raise StoreError and StoreUnavailableError."""

    def __init__(self, options: Options, client: Any, timeouts: Timeouts) -> None:
        self._options = options
        self._client = client
        self._timeouts = timeouts

    def upload(self, key: str, path: Path, content_type: str) -> None:
        """Put a file, a large one in parts. If one part fails, all are aborted."""
        headers = self._options.headers(content_type)
        with translated("PutObject", self._options, key), path.open("rb") as source:
            # Read a small file before sending it, so that read errors are not taken for network errors.
            body = source.read(LARGE_BYTES)
            if len(body) < LARGE_BYTES:
                self._client.put_object(Bucket=self._options.bucket, Key=key, Body=body, **headers)
            else:
                source.seek(0)
                self._client.upload_fileobj(source, self._options.bucket, key, ExtraArgs=headers, Config=IN_PARTS)

    def download(self, key: str, path: Path) -> bool:
        """Get an object and write it to `path` atomically. Return False if the key does not exist."""
        return self._get(key, path, sys.maxsize) is not None

    def download_changed(self, key: str, path: Path, known: str, maximum_bytes: int) -> str | None:
        """Do the same for an object of another ETag than `known`. Return its ETag, or None if the key does not exist.

        HEAD tells the ETag. A GET with If-None-Match would save a request for an object that has changed, but botocore
        cannot parse a 304 with a checksum, which some stores send (https://github.com/boto/boto3/issues/4765).
        """
        if known and self._etag(key) == known:
            return known
        return self._get(key, path, maximum_bytes)

    def list(self, prefix: str) -> Sequence[str]:
        """Return all keys with a prefix, sorted."""
        with translated("ListBucket", self._options):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._options.bucket, Prefix=prefix)
            return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete keys; missing keys are ignored."""
        for start in range(0, len(keys), DELETE_KEYS):
            some = [{"Key": key} for key in keys[start : start + DELETE_KEYS]]
            with translated("DeleteObject", self._options):
                answer = self._client.delete_objects(
                    Bucket=self._options.bucket, Delete={"Objects": some, "Quiet": True}
                )
            call_error = [each for each in answer.get("Errors", ()) if each.get("Code") not in NO_SUCH_KEY]
            for each in call_error:  # report the first; the caller has to retry anyway
                raise refusal_error({"Error": each}, "DeleteObject", self._options, each.get("Key", ""))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _etag(self, key: str) -> str | None:
        """Return the ETag of an object, or None where the store refuses: GET then gets the error with its reason."""
        with translated("GetObject", self._options, key):
            try:
                answer = self._client.head_object(Bucket=self._options.bucket, Key=key)
            except ClientError:
                return None
        return _version(answer)

    def _get(self, key: str, path: Path, maximum_bytes: int) -> str | None:
        """Get an object and write it to `path` atomically. Return its ETag, or None if the key does not exist."""
        with translated("GetObject", self._options, key):
            try:
                answer = self._client.get_object(Bucket=self._options.bucket, Key=key)
            except ClientError as error:
                if error.response["Error"].get("Code") in NO_SUCH_KEY:
                    return None
                raise
            temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
            with answer["Body"] as body:
                self._check_size(key, answer.get("ContentLength") or 0, maximum_bytes)
                try:
                    with temporary.open("wb") as target:
                        self._copy(key, body, target, answer.get("ContentLength"), maximum_bytes)
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)
        return _version(answer)

    def _check_size(self, key: str, size_bytes: int, maximum_bytes: int) -> None:
        if size_bytes > maximum_bytes:
            raise TooLargeError(f"{self._options.uri}/{key} has more than {maximum_bytes} bytes")

    def _copy(self, key: str, body: Any, target: Any, size_bytes: int | None, maximum_bytes: int) -> None:
        began_s = monotonic()
        written_bytes = 0
        while chunk := body.read(CHUNK_BYTES):
            self._check_size(key, written_bytes + len(chunk), maximum_bytes)
            written_bytes += target.write(chunk)
            if monotonic() - began_s > self._timeouts.allowed_s(written_bytes):
                raise StoreError(f"{self._options.uri}/{key} arrives too slowly: check the bandwidth")
        if size_bytes not in {written_bytes, None}:  # a chunked response has no length, and marks its end
            raise StoreError(
                f"{self._options.uri}/{key} was cut short: {written_bytes} of {size_bytes} bytes arrived; try again"
            )


def _version(answer: Mapping[str, Any]) -> str:
    """Return the ETag of an answer, or "" where the store sends none that can be kept."""
    etag = answer.get("ETag", "")
    return etag if VERSION.fullmatch(etag) else ""


def open_bucket(options: Options, connections: int, timeouts: Timeouts) -> Bucket:
    """Return a bucket with a new client, which has no connection yet."""
    with translated("ListBucket", options):
        try:
            client = make_client(options, connections, timeouts)
        except ValueError as error:  # botocore found an invalid endpoint, in our options or in its own configuration
            raise StoreUnavailableError(f"{options.uri}: the endpoint is invalid; correct endpoint_url") from error
        return Bucket(options, client, timeouts)


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
