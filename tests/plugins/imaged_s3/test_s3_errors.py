"""Each error is one line that says what failed, for which key or store, and what to do."""

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
from imaged_s3.timeouts import Timeouts
from imaged_s3.uploader import S3Uploader

MakeUploader = Callable[..., S3Uploader]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "source"
    path.write_bytes(b"bytes")
    return path


def message_of(error: pytest.ExceptionInfo[StoreError]) -> str:
    """Return the message, after checking that it is one line without secrets."""
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
    (500, "InternalError", "failed with 500 InternalError"),
    (503, "ServiceUnavailable", "failed with 503 ServiceUnavailable"),
    (429, "TooMany", "failed with 429 TooMany"),
]


@pytest.mark.parametrize(("status", "code", "message"), CODES)
def test_errors_of_the_whole_store_make_it_unavailable(
    store: CannedStore, uploader: S3Uploader, source: Path, status: int, code: str, message: str
) -> None:
    """An error that other keys would meet too is StoreUnavailableError, with advice."""
    store.refuse(status, code)
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.upload("a/key", source, "image/jpeg"))
    assert message in message_of(error)


@pytest.mark.parametrize("code", ["EntityTooLarge", "InvalidRequest"])
def test_errors_of_one_key_are_store_errors(store: CannedStore, uploader: S3Uploader, source: Path, code: str) -> None:
    """An error of one key is StoreError, with the store's own message on one line."""
    store.refuse(400, code, "first\nsecond " + "x" * 1000)
    with pytest.raises(StoreError) as error:
        wait(uploader.upload("a/key", source, "image/jpeg"))
    assert not isinstance(error.value, StoreUnavailableError)
    assert f"s3://pictures/a/key: PutObject was refused (400): {code} first second" in message_of(error)
    assert len(str(error.value)) < 300


def test_a_missing_permission_is_named(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A denied call names the permission that it needs."""
    store.refuse(403, "AccessDenied")
    for call, message in (
        (uploader.download("a/key", tmp_path / "back"), "allow s3:GetObject"),
        (uploader.list("a"), "allow s3:ListBucket"),
        (uploader.delete(["a/key"]), "allow s3:DeleteObject"),
    ):
        with pytest.raises(StoreUnavailableError) as error:
            wait(call)
        assert message in message_of(error)


def test_a_key_that_may_not_be_deleted_is_an_error(store: CannedStore, uploader: S3Uploader) -> None:
    """Errors inside of a DeleteObjects response with status 200 are raised."""
    denied = "<Error><Key>a/2</Key><Code>{}</Code><Message>words</Message></Error>"
    store.body = f"<DeleteResult>{denied.format('AccessDenied')}</DeleteResult>".encode()
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.delete(["a/1", "a/2"]))
    assert "allow s3:DeleteObject" in message_of(error)
    store.body = f"<DeleteResult>{denied.format('Odd')}</DeleteResult>".encode()
    with pytest.raises(StoreError) as refused:
        wait(uploader.delete(["a/1", "a/2"]))
    assert "s3://pictures/a/2" in message_of(refused)
    assert not isinstance(refused.value, StoreUnavailableError)


@pytest.mark.parametrize(
    ("headers", "message"),
    [({"x-amz-bucket-region": "eu-west-1"}, "another region"), ({}, "redirects everything: set region")],
)
def test_a_redirect_is_reported(
    store: CannedStore, make_uploader: MakeUploader, headers: dict[str, str], message: str
) -> None:
    """A redirect that botocore cannot follow asks for the region or the endpoint."""
    store.refuse(301, "PermanentRedirect")
    store.headers = headers
    with pytest.raises(StoreUnavailableError) as error:
        wait(make_uploader(store.options()).list("a"))
    assert message in message_of(error)


def check_every_call(uploader: S3Uploader, source: Path, back: Path, message: str) -> None:
    """Check that each call of an uploader raises StoreUnavailableError with this message."""
    for call in (
        uploader.upload("a", source, "image/jpeg"),
        uploader.download("a", back),
        uploader.list("a"),
        uploader.delete(["a"]),
    ):
        with pytest.raises(StoreUnavailableError) as error:
            wait(call)
        assert message in message_of(error)


def test_a_missing_bucket_is_no_missing_key(
    rclone_s3: RcloneS3, make_uploader: MakeUploader, tmp_path: Path, source: Path
) -> None:
    """A missing bucket makes the store unavailable for every call."""
    uploader = make_uploader(rclone_s3.options("no-such-pictures"))
    check_every_call(uploader, source, tmp_path / "back", "no such bucket")
    assert not (tmp_path / "back").exists()


def test_a_download_from_a_missing_bucket_raises(store: CannedStore, uploader: S3Uploader, tmp_path: Path) -> None:
    """A missing bucket must not look like a missing original."""
    store.refuse(404, "NoSuchBucket")
    with pytest.raises(StoreUnavailableError):
        wait(uploader.download("a", tmp_path / "back"))
    store.refuse(404, "NoSuchKey")
    assert wait(uploader.download("a", tmp_path / "back")) is False
    store.body = b""
    assert wait(uploader.download("a", tmp_path / "back")) is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"access_key_id": "AKIANOBODY"}, "correct access_key_id"),
        ({"secret_access_key": "SECRETWRONG"}, "correct secret_access_key"),
    ],
)
def test_wrong_keys_are_reported(
    rclone_s3: RcloneS3, make_uploader: MakeUploader, wrong: dict[str, str], message: str
) -> None:
    """A real server distinguishes a wrong key id from a wrong secret."""
    uploader = make_uploader({**rclone_s3.options(rclone_s3.make_bucket()), **wrong})
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.list("a"))
    assert message in message_of(error)


def test_missing_credentials_are_reported(store: CannedStore, make_uploader: MakeUploader) -> None:
    """Without credentials in the options or where the AWS libraries look, the message names both."""
    uploader = make_uploader({"bucket": "pictures", "endpoint_url": store.url})
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.list("a"))
    assert "no credentials were found: set access_key_id" in message_of(error)
    assert store.received == []


def test_a_missing_profile_is_reported_and_retried(
    store: CannedStore, make_uploader: MakeUploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later call makes the client that an earlier one failed to make."""
    uploader = make_uploader(store.options())
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(StoreUnavailableError, match="credentials"):
        wait(uploader.list("a"))
    monkeypatch.delenv("AWS_PROFILE")
    store.body = b"<ListBucketResult></ListBucketResult>"
    assert wait(uploader.list("a")) == []


def test_a_refused_connection_is_reported(make_uploader: MakeUploader) -> None:
    """The message has the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(StoreUnavailableError) as error:
        wait(make_uploader(options_at(url)).list("a"))
    assert f"{url} cannot be reached" in message_of(error)


def test_a_store_that_hangs_times_out(make_uploader: MakeUploader, source: Path, tmp_path: Path) -> None:
    """Every call times out, and the reactor is not blocked meanwhile."""
    with silent_store() as url:
        uploader = make_uploader(options_at(url), Timeouts(connect_s=0.2, read_s=0.2, attempts=1, body_s=0.2))
        check_every_call(uploader, source, tmp_path / "back", f"{url} does not answer in time")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_server_that_is_no_store_is_reported(store: CannedStore, uploader: S3Uploader, status: int) -> None:
    """A web site at the endpoint is reported as such."""
    store.status, store.body = status, b"<html><p>Welcome!"
    with pytest.raises(StoreUnavailableError) as error:
        wait(uploader.list("a"))
    assert "without an S3 error; check the store and endpoint_url" in message_of(error)


def test_a_store_without_tls_is_reported(store: CannedStore, make_uploader: MakeUploader) -> None:
    """An https address of a server without TLS is reported."""
    url = store.url.replace("http:", "https:")
    with pytest.raises(StoreUnavailableError) as error:
        wait(make_uploader(options_at(url)).list("a"))
    assert f"{url} has a certificate that is not trusted, or no TLS" in message_of(error)


def test_temporary_errors_are_retried(store: CannedStore, make_uploader: MakeUploader) -> None:
    """A call makes as many attempts as its timeouts allow, and no more."""
    store.refuse(503, "SlowDown")
    with pytest.raises(StoreUnavailableError):
        wait(make_uploader(store.options(), Timeouts(attempts=3)).list("a"))
    assert len(store.received) == 3
    store.refuse(403, "AccessDenied")
    with pytest.raises(StoreUnavailableError):
        wait(make_uploader(store.options(), Timeouts(attempts=3)).list("a"))
    assert len(store.received) == 4


def test_calls_fill_the_threads_and_leave_the_reactor_free(store: CannedStore, make_uploader: MakeUploader) -> None:
    """Two calls wait for the store concurrently until the reactor, which is not blocked, releases both."""
    store.refuse(503, "SlowDown")
    store.gate = gate = Barrier(3)
    uploader = make_uploader(store.options(), Timeouts(connect_s=60, read_s=60, attempts=1))

    async def both() -> None:
        opening = LoopingCall(lambda: gate.n_waiting == 2 and gate.wait())
        ended = opening.start(0.01)
        await gatherResults([Deferred.fromCoroutine(_refused(uploader)) for _ in range(2)])
        opening.stop()
        await ended

    wait(both())
    assert len(store.received) == 2


async def _refused(uploader: S3Uploader) -> None:
    with pytest.raises(StoreUnavailableError):
        await uploader.list("a")
