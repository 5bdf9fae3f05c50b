"""Each thing that goes wrong is told in one line: what, which, and what to do."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from canned_store import CannedStore, options_at, silent_store
from rclone import RcloneS3
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall

from imaged.api import StoreError, StoreUnavailableError
from imaged.testing.waiting import wait
from imaged_s3.patience import Patience
from imaged_s3.uploader import S3Uploader

MakeUploader = Callable[..., S3Uploader]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "source"
    path.write_bytes(b"bytes")
    return path


def told(error: pytest.ExceptionInfo[StoreError]) -> str:
    """Return the message, which is one line and holds no secret."""
    message = str(error.value)
    assert "\n" not in message
    assert "hush" not in message
    assert "SECRET" not in message
    assert "pictures" in message
    return message


CODES = [
    (403, "InvalidAccessKeyId", "correct access_key_id"),
    (403, "SignatureDoesNotMatch", "correct secret_access_key"),
    (403, "RequestTimeTooSkewed", "set this machine's, by NTP"),
    (403, "AccessDenied", "allow s3:PutObject"),
    (403, "SomethingNew", "allow s3:PutObject"),
    (401, "Unauthorized", "allow s3:PutObject"),
    (400, "ExpiredToken", "have expired: renew"),
    (404, "NoSuchBucket", "no such bucket: create it"),
    (400, "AccessControlListNotSupported", "leave acl out"),
    (400, "InvalidStorageClass", "correct storage_class"),
    (400, "IllegalLocationConstraintException", "in another region: set region"),
    (503, "SlowDown", "overloaded (SlowDown)"),
    (500, "InternalError", "it answered 500 InternalError"),
    (503, "ServiceUnavailable", "it answered 503 ServiceUnavailable"),
    (429, "TooMany", "it answered 429 TooMany"),
]


@pytest.mark.parametrize(("status", "code", "said"), CODES)
def test_what_ails_the_store_is_told_of_the_store(
    store: CannedStore, uploader: S3Uploader, source: Path, status: int, code: str, said: str
) -> None:
    """No other key would fare better."""
    store.refuse(status, code)
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.upload("a/key", source, "image/jpeg"))
    assert said in told(error)


@pytest.mark.parametrize("code", ["EntityTooLarge", "InvalidRequest"])
def test_what_ails_one_key_is_told_of_the_key(
    store: CannedStore, uploader: S3Uploader, source: Path, code: str
) -> None:
    """With the store's own words, on one line."""
    store.refuse(400, code, "first\nsecond " + "x" * 1000)
    with pytest.raises(StoreError) as error:
        wait(uploader.upload("a/key", source, "image/jpeg"))
    assert not isinstance(error.value, StoreUnavailableError)
    assert f"s3://pictures/a/key: PutObject was refused (400): {code} first second" in told(error)
    assert len(str(error.value)) < 300


def test_the_permission_that_is_missing_is_named(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """For each call its own."""
    store.refuse(403, "AccessDenied")
    for call, said in (
        (uploader.download("a/key", tmp_path / "back"), "allow s3:GetObject"),
        (uploader.list("a"), "allow s3:ListBucket"),
        (uploader.delete(["a/key"]), "allow s3:DeleteObject"),
    ):
        with pytest.raises(StoreUnavailableError) as error:
            wait(call)
        assert said in told(error)


def test_a_key_that_may_not_be_deleted_is_told(store: CannedStore, uploader: S3Uploader) -> None:
    """The store answers 200 and says it inside."""
    denied = "<Error><Key>a/2</Key><Code>{}</Code><Message>words</Message></Error>"
    store.body = f"<DeleteResult>{denied.format('AccessDenied')}</DeleteResult>".encode()
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.delete(["a/1", "a/2"]))
    assert "allow s3:DeleteObject" in told(error)
    store.body = f"<DeleteResult>{denied.format('Odd')}</DeleteResult>".encode()
    with pytest.raises(StoreError) as error:
        wait(uploader.delete(["a/1", "a/2"]))
    assert "s3://pictures/a/2" in told(error)
    assert not isinstance(error.value, StoreUnavailableError)


@pytest.mark.parametrize(
    ("headers", "said"),
    [({"x-amz-bucket-region": "eu-west-1"}, "another region"), ({}, "redirects everything: set region")],
)
def test_a_redirect_is_told(
    store: CannedStore, make_uploader: MakeUploader, headers: dict[str, str], said: str
) -> None:
    """When botocore does not find its way by itself."""
    store.refuse(301, "PermanentRedirect")
    store.headers = headers
    with pytest.raises(StoreUnavailableError) as error:
        wait(make_uploader(store.options()).list("a"))
    assert said in told(error)


def test_a_bucket_that_is_not_there_is_no_missing_key(
    rclone_s3: RcloneS3, make_uploader: MakeUploader, tmp_path: Path, source: Path
) -> None:
    """It is a fault of the store as a whole, whatever is asked."""
    uploader = make_uploader(rclone_s3.options("no-such-pictures"))
    for call in (
        uploader.upload("a", source, "image/jpeg"),
        uploader.download("a", tmp_path / "back"),
        uploader.list("a"),
        uploader.delete(["a"]),
    ):
        with pytest.raises(StoreUnavailableError) as error:
            wait(call)
        assert "no such bucket" in told(error)
    assert not (tmp_path / "back").exists()


def test_a_download_from_no_bucket_is_no_false(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A missing original would be said to be gone for ever."""
    store.refuse(404, "NoSuchBucket")
    with pytest.raises(StoreUnavailableError):
        wait(uploader.download("a", tmp_path / "back"))
    store.refuse(404, "NoSuchKey")
    assert wait(uploader.download("a", tmp_path / "back")) is False
    store.body = b""
    assert wait(uploader.download("a", tmp_path / "back")) is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"access_key_id": "AKIANOBODY"}, "correct access_key_id"),
        ({"secret_access_key": "SECRETWRONG"}, "correct secret_access_key"),
    ],
)
def test_wrong_keys_are_told_by_a_store_that_checks(
    rclone_s3: RcloneS3, make_uploader: MakeUploader, wrong: dict[str, str], said: str
) -> None:
    """Each as what it is."""
    uploader = make_uploader({**rclone_s3.options(rclone_s3.make_bucket()), **wrong})
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.list("a"))
    assert said in told(error)


def test_no_credentials_are_told(store: CannedStore, make_uploader: MakeUploader) -> None:
    """Neither in the options nor where AWS looks."""
    uploader = make_uploader({"bucket": "pictures", "endpoint_url": store.url})
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.list("a"))
    assert "no credentials were found: set access_key_id" in told(error)
    assert store.asked == []


def test_a_profile_that_is_not_there_is_told_and_tried_again(
    store: CannedStore, make_uploader: MakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client that could not be made is made by a later call."""
    uploader = make_uploader(store.options())
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreUnavailableError, match="credentials"):
        wait(uploader.list("a"))
    monkeypatch.delenv("AWS_PROFILE")
    store.body = b"<ListBucketResult></ListBucketResult>"
    assert wait(uploader.list("a")) == []


def test_a_refused_connection_is_told(make_uploader: MakeUploader) -> None:
    """With the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(StoreUnavailableError) as error:
        wait(make_uploader(options_at(url)).list("a"))
    assert f"{url} cannot be reached" in told(error)


def test_a_store_that_hangs_is_given_up(make_uploader: MakeUploader, source: Path, tmp_path: Path) -> None:
    """Every call ends in time, and other calls of the reactor are not held up."""
    with silent_store() as url:
        uploader = make_uploader(options_at(url))
        for call in (
            uploader.upload("a", source, "image/jpeg"),
            uploader.download("a", tmp_path / "back"),
            uploader.list("a"),
            uploader.delete(["a"]),
        ):
            with pytest.raises(StoreUnavailableError) as error:
                wait(call)
            assert f"{url} does not answer in time" in told(error)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_what_is_no_store_is_told(store: CannedStore, uploader: S3Uploader, status: int) -> None:
    """Some web site, say."""
    store.status, store.body = status, b"<html><p>Welcome!"
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.list("a"))
    assert "without a word of S3; is it out of order, or is endpoint_url another" in told(error)


def test_a_store_without_tls_is_told(store: CannedStore, make_uploader: MakeUploader) -> None:
    """Where the address says https."""
    url = store.url.replace("http:", "https:")
    with pytest.raises(StoreUnavailableError) as error:
        wait(make_uploader(options_at(url)).list("a"))
    assert f"{url} has a certificate that is not trusted, or no TLS" in told(error)


def test_what_passes_is_tried_again(store: CannedStore, make_uploader: MakeUploader) -> None:
    """As often as patience has it, and no more."""
    store.refuse(503, "SlowDown")
    with pytest.raises(StoreUnavailableError):
        wait(make_uploader(store.options(), Patience(attempts=3)).list("a"))
    assert len(store.asked) == 3
    store.refuse(403, "AccessDenied")
    with pytest.raises(StoreUnavailableError):
        wait(make_uploader(store.options(), Patience(attempts=3)).list("a"))
    assert len(store.asked) == 4


def test_calls_fill_the_threads_and_leave_the_reactor_free(store: CannedStore, make_uploader: MakeUploader) -> None:
    """Two calls wait at the store side by side, until the reactor, which is free, lets both pass."""
    store.refuse(503, "SlowDown")
    store.gate = gate = Barrier(3)
    uploader = make_uploader(store.options(), Patience(connect_s=60, read_s=60, attempts=1))

    async def both() -> None:
        opening = LoopingCall(lambda: gate.n_waiting == 2 and gate.wait())
        ended = opening.start(0.01)
        await gatherResults([Deferred.fromCoroutine(_refused(uploader)) for _ in range(2)])
        opening.stop()
        await ended

    wait(both())
    assert len(store.asked) == 2


async def _refused(uploader: S3Uploader) -> None:
    with pytest.raises(StoreUnavailableError):
        await uploader.list("a")
