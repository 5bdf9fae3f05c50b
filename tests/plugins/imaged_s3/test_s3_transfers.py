"""Files go up and come down whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from canned_store import CannedStore
from moto_store import MotoS3

from imaged.api import StoreError, StoreUnavailableError
from imaged.testing.waiting import wait
from imaged_s3.patience import Patience
from imaged_s3.uploader import S3Uploader

MakeUploader = Callable[..., S3Uploader]
LARGE = os.urandom(17_000_000)
"""Three parts."""


@pytest.fixture
def client(moto_s3: MotoS3) -> Iterator[Any]:
    """Return a client of the test's own."""
    client = moto_s3.client()
    yield client
    client.close()


def file(folder: Path, body: bytes) -> Path:
    """Return a file."""
    path = folder / "source"
    path.write_bytes(body)
    return path


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
def test_what_the_options_say_of_files_arrives(
    moto_s3: MotoS3, client: Any, make_uploader: MakeUploader, tmp_path: Path, body: bytes
) -> None:
    """Whether in one piece or in parts."""
    bucket = moto_s3.make_bucket()
    section = {
        **moto_s3.options(bucket),
        "acl": "public-read",
        "storage_class": "STANDARD_IA",
        "cache_control": "max-age=60",
        "server_side_encryption": "AES256",
    }
    wait(make_uploader(section, Patience()).upload("a/key", file(tmp_path, body), "image/webp"))
    head = client.head_object(Bucket=bucket, Key="a/key")
    assert head["ContentType"] == "image/webp"
    assert head["CacheControl"] == "max-age=60"
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ServerSideEncryption"] == "AES256"
    assert head["ContentLength"] == len(body)
    assert ("-3" in head["ETag"]) is (body is LARGE)
    grants = client.get_object_acl(Bucket=bucket, Key="a/key")["Grants"]
    assert [each["Permission"] for each in grants if each["Grantee"].get("URI", "").endswith("/AllUsers")] == ["READ"]


def test_what_the_options_leave_open_is_left_to_the_store(
    moto_s3: MotoS3, client: Any, make_uploader: MakeUploader, tmp_path: Path
) -> None:
    """But for how long a client may keep the file: its bytes never change."""
    bucket = moto_s3.make_bucket()
    wait(make_uploader(moto_s3.options(bucket)).upload("a/key", file(tmp_path, b"small"), "image/jpeg"))
    head = client.head_object(Bucket=bucket, Key="a/key")
    assert head["CacheControl"] == "public, max-age=31536000, immutable"
    assert head.get("StorageClass", "STANDARD") == "STANDARD"
    grants = client.get_object_acl(Bucket=bucket, Key="a/key")["Grants"]
    assert [each for each in grants if each["Grantee"].get("URI")] == []


def test_a_large_file_comes_back_as_it_was(moto_s3: MotoS3, make_uploader: MakeUploader, tmp_path: Path) -> None:
    """All of its parts, in their order."""
    uploader = make_uploader(moto_s3.options(moto_s3.make_bucket()), Patience())
    wait(uploader.upload("a/key", file(tmp_path, LARGE), "image/jpeg"))
    assert wait(uploader.download("a/key", tmp_path / "back")) is True
    assert (tmp_path / "back").read_bytes() == LARGE


def test_parts_of_a_file_that_failed_are_given_up(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """So that they cost nothing for ever."""
    store.body = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
    store.refused = "PUT"
    with pytest.raises(StoreError, match="EntityTooLarge"):
        wait(uploader.upload("a/key", file(tmp_path, LARGE), "image/jpeg"))
    assert store.asked[0] == ("POST", "/pictures/a/key?uploads")
    assert store.asked[-1] == ("DELETE", "/pictures/a/key?uploadId=7")


def test_a_store_whose_answers_lack_something_is_told(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A part of a file has an ETag, by which the whole is put together."""
    store.body = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
    with pytest.raises(StoreUnavailableError, match="is not S3"):
        wait(uploader.upload("a/key", file(tmp_path, LARGE), "image/jpeg"))


def test_a_file_that_cannot_be_read_is_a_fault_of_one_key(
    store: CannedStore, uploader: S3Uploader, tmp_path: Path
) -> None:
    """The store is well."""
    with pytest.raises(StoreError, match="s3://pictures/a/key: the local file cannot be read") as error:
        wait(uploader.upload("a/key", tmp_path, "image/jpeg"))
    assert not isinstance(error.value, StoreUnavailableError)
    assert store.asked == []


def test_a_download_that_is_cut_short_leaves_nothing(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """What was at the path before stays."""
    store.body, store.headers = b"half", {"Content-Length": "8", "Connection": "close"}
    (tmp_path / "back").write_bytes(b"before")
    with pytest.raises(StoreError):
        wait(uploader.download("a/key", tmp_path / "back"))
    assert [path.name for path in tmp_path.iterdir()] == ["back"]
    assert (tmp_path / "back").read_bytes() == b"before"


def test_a_download_that_crawls_is_given_up(store: CannedStore, make_uploader: MakeUploader, tmp_path: Path) -> None:
    """Though each of its bytes comes in time."""
    store.body = bytes(300_000)
    patience = Patience(read_s=5, attempts=1, body_s=0, slowest_bytes_s=2**40)
    with pytest.raises(StoreError, match="came too slowly"):
        wait(make_uploader(store.options(), patience).download("a/key", tmp_path / "back"))
    assert list(tmp_path.iterdir()) == []
