"""Uploads and downloads are complete or have no effect."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from canned_store import CannedStore
from moto_store import MotoS3

from imaged.api import StoreError, StoreUnavailableError, TooLargeError
from imaged.testing.waiting import wait
from imaged_s3.timeouts import Timeouts
from imaged_s3.uploader import S3Uploader

MakeUploader = Callable[..., S3Uploader]
LARGE = os.urandom(17_000_000)
"""A file of three parts."""


@pytest.fixture
def client(moto_s3: MotoS3) -> Iterator[Any]:
    """Return a boto3 client for the test itself."""
    client = moto_s3.client()
    yield client
    client.close()


def file(folder: Path, body: bytes) -> Path:
    """Return a file."""
    path = folder / "source"
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
def test_options_become_headers_of_files(
    moto_s3: MotoS3, client: Any, make_uploader: MakeUploader, tmp_path: Path, body: bytes
) -> None:
    """The headers are the same for one request and for a multipart upload."""
    bucket = moto_s3.make_bucket()
    section = {
        **moto_s3.options(bucket),
        "acl": "public-read",
        "storage_class": "STANDARD_IA",
        "cache_control": "max-age=60",
        "server_side_encryption": "AES256",
    }
    wait(make_uploader(section, Timeouts()).upload("a/key", file(tmp_path, body), "image/webp"))
    head = client.head_object(Bucket=bucket, Key="a/key")
    assert head["ContentType"] == "image/webp"
    assert head["CacheControl"] == "max-age=60"
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ServerSideEncryption"] == "AES256"
    assert head["ContentLength"] == len(body)
    assert ("-3" in head["ETag"]) is (body is LARGE)
    grants = client.get_object_acl(Bucket=bucket, Key="a/key")["Grants"]
    assert [each["Permission"] for each in grants if each["Grantee"].get("URI", "").endswith("/AllUsers")] == ["READ"]


def test_headers_without_an_option_are_not_sent(
    moto_s3: MotoS3, client: Any, make_uploader: MakeUploader, tmp_path: Path
) -> None:
    """Cache-Control alone has a default, since the bytes of a key never change."""
    bucket = moto_s3.make_bucket()
    wait(make_uploader(moto_s3.options(bucket)).upload("a/key", file(tmp_path, b"small"), "image/jpeg"))
    head = client.head_object(Bucket=bucket, Key="a/key")
    assert head["CacheControl"] == "public, max-age=31536000, immutable"
    assert head.get("StorageClass", "STANDARD") == "STANDARD"
    grants = client.get_object_acl(Bucket=bucket, Key="a/key")["Grants"]
    assert [each for each in grants if each["Grantee"].get("URI")] == []


def test_a_large_file_is_downloaded_unchanged(moto_s3: MotoS3, make_uploader: MakeUploader, tmp_path: Path) -> None:
    """The parts of a multipart upload keep their order."""
    uploader = make_uploader(moto_s3.options(moto_s3.make_bucket()), Timeouts())
    wait(uploader.upload("a/key", file(tmp_path, LARGE), "image/jpeg"))
    assert wait(uploader.download("a/key", tmp_path / "back")) is True
    assert (tmp_path / "back").read_bytes() == LARGE


def test_a_failed_multipart_upload_is_aborted(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """The parts of a failed upload are aborted, since they would cost money."""
    store.body = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
    store.refused = "PUT"
    with pytest.raises(StoreError, match="EntityTooLarge"):
        wait(uploader.upload("a/key", file(tmp_path, LARGE), "image/jpeg"))
    assert store.received[0] == ("POST", "/pictures/a/key?uploads")
    assert store.received[-1] == ("DELETE", "/pictures/a/key?uploadId=7")


def test_an_incomplete_response_is_reported(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A response to a part without an ETag is not S3."""
    store.body = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
    with pytest.raises(StoreUnavailableError, match="is not S3"):
        wait(uploader.upload("a/key", file(tmp_path, LARGE), "image/jpeg"))


def test_an_unreadable_file_is_an_error_of_one_key(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A local read error does not make the store unavailable."""
    with pytest.raises(StoreError, match="s3://pictures/a/key: the local file cannot be read") as error:
        wait(uploader.upload("a/key", tmp_path, "image/jpeg"))
    assert not isinstance(error.value, StoreUnavailableError)
    assert store.received == []


def test_a_truncated_download_changes_nothing(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """The file that was at the path is unchanged, and no temporary file is left."""
    store.body, store.headers = b"half", {"Content-Length": "8", "Connection": "close"}
    (tmp_path / "back").write_bytes(b"before")
    with pytest.raises(StoreError):
        wait(uploader.download("a/key", tmp_path / "back"))
    assert [path.name for path in tmp_path.iterdir()] == ["back"]
    assert (tmp_path / "back").read_bytes() == b"before"


def test_a_slow_download_is_stopped(store: CannedStore, make_uploader: MakeUploader, tmp_path: Path) -> None:
    """A download below the minimum rate ends, although each read is in time."""
    store.body = bytes(300_000)
    timeouts = Timeouts(read_s=5, attempts=1, body_s=0, slowest_bytes_s=2**40)
    with pytest.raises(StoreError, match="arrives too slowly"):
        wait(make_uploader(store.options(), timeouts).download("a/key", tmp_path / "back"))
    assert list(tmp_path.iterdir()) == []


def test_an_unchanged_object_costs_a_head(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """Another version is downloaded."""
    store.body, store.headers = b"body", {"ETag": '"v2"'}
    assert wait(uploader.download_changed("a/key", tmp_path / "back", '"v2"', 4)) == '"v2"'
    assert store.received == [("HEAD", "/pictures/a/key")]
    assert list(tmp_path.iterdir()) == []
    assert wait(uploader.download_changed("a/key", tmp_path / "back", '"v1"', 4)) == '"v2"'
    assert store.received[1:] == [("HEAD", "/pictures/a/key"), ("GET", "/pictures/a/key")]
    assert (tmp_path / "back").read_bytes() == b"body"


@pytest.mark.parametrize("length", [str(10**12), ""], ids=["announced", "without a length"])
def test_an_object_that_is_too_large_is_not_downloaded(
    store: CannedStore, uploader: S3Uploader, tmp_path: Path, length: str
) -> None:
    """The length that the store announces says so, or else the bytes that come. The connection is dropped."""
    store.body, store.headers = bytes(300_000), {"Content-Length": length, "Connection": "close"}
    with pytest.raises(TooLargeError):
        wait(uploader.download_changed("a/key", tmp_path / "back", "", 299_999))
    assert list(tmp_path.iterdir()) == []


def test_an_etag_that_cannot_be_kept_is_no_version(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """Such an object is downloaded each time."""
    store.body = b"body"
    for etag in ("", '"' + "x" * 500 + '"', '"\xe9"'):
        store.headers = {"ETag": etag}
        assert wait(uploader.download_changed("a/key", tmp_path / "back", "", 4)) == ""


def test_a_refused_head_has_the_error_of_the_get(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A response to HEAD has no body that could say why."""
    store.refuse(403, "AccessDenied")
    with pytest.raises(StoreUnavailableError, match="allow s3:GetObject"):
        wait(uploader.download_changed("a/key", tmp_path / "back", '"v1"', 4))
