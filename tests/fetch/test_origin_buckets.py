"""Originals of a bucket: no more is downloaded than must be, whatever the plugin can do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from imaged.core.errors import (
    DiskFullError,
    ImagedError,
    NotFoundError,
    PluginFailedError,
    SourceFailedError,
    SourceTimeoutError,
    StoreError,
    StoreUnavailableError,
    TooLargeError,
)
from imaged.fetch.exchange import Validators
from imaged.fetch.origin_sources import BucketSource
from imaged.fetch.sources import Fetched
from imaged.fetch.timed_copies import MOST_LATE
from imaged.hooks.checked_uploader import CheckedUploader
from imaged.hooks.contract_check import Metadata
from imaged.testing.fakes import MemoryUploader, run_at_once
from imaged.testing.waiting import wait

TIMEOUT_S = 10.0
MOST_BYTES = 1000
BODY = b"a picture"


class OldUploader:
    """An uploader without `download_changed`."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    async def download(self, key: str, path: Path) -> bool:
        """Write the whole object."""
        if key in self._files:
            path.write_bytes(self._files[key])  # noqa: ASYNC240  # a test may block
        return key in self._files


class ThreadedUploader:
    """An uploader with `work` for its threads, which continues when a caller has left."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    async def download_changed(self, _key: str, path: Path, _known: str, _maximum_bytes: int) -> str | None:
        """Return when a thread has written the object."""
        written: Deferred[str | None] = Deferred()

        def work() -> None:
            path.write_bytes(BODY)
            if not written.called:
                written.callback("version")

        self.work.append(work)
        return await written


def result_of(waiting: Deferred[Fetched]) -> Fetched:
    """Return the result that a fetch has by now, or raise its error."""
    results: list[Fetched | Failure] = []
    waiting.addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    assert isinstance(result, Fetched)
    return result


class Bucket:
    """A source that reads a bucket in memory, on a clock that the test advances."""

    def __init__(self, tmp_path: Path, uploader: Any) -> None:
        self.clock = Clock()
        self.temporary = tmp_path / "temporary"
        checked = CheckedUploader("memory", Metadata("", "memory"), uploader, self.clock)
        self.source = BucketSource(checked, "public/photos/", run_at_once, self.clock, TIMEOUT_S, MOST_BYTES)

    def begin(self, path: str = "red.jpg", known: Validators | None = None) -> Deferred[Fetched]:
        """Begin to fetch a path."""
        return Deferred.fromCoroutine(self.source.fetch(path, self.temporary, known or Validators()))

    def get(self, path: str = "red.jpg", known: Validators | None = None) -> Fetched:
        """Fetch a path."""
        return wait(self.source.fetch(path, self.temporary, known or Validators()))

    def fails(self, error: type[ImagedError], path: str = "red.jpg") -> str:
        """Expect an error of exactly this type, and return its message."""
        with pytest.raises(ImagedError) as caught:
            self.get(path)
        assert caught.type is error, caught.value
        return str(caught.value)


@pytest.fixture
def uploader() -> MemoryUploader:
    """Return an uploader that has one picture."""
    uploader = MemoryUploader()
    uploader.files["public/photos/red.jpg"] = BODY
    return uploader


@pytest.fixture
def bucket(tmp_path: Path, uploader: MemoryUploader) -> Bucket:
    """Return a source that reads it."""
    return Bucket(tmp_path, uploader)


def test_an_object_is_downloaded_with_its_version(bucket: Bucket) -> None:
    """The copy has its bytes; the version of the plugin is the ETag."""
    fetched = bucket.get()
    assert fetched.file is not None
    assert bucket.temporary.read_bytes() == BODY
    assert fetched.file.md5 == hashlib.md5(BODY).hexdigest()
    assert fetched.validators.etag


def test_an_object_that_has_not_changed_is_not_downloaded(bucket: Bucket, uploader: MemoryUploader) -> None:
    """Another one is, with another version."""
    known = bucket.get().validators
    assert bucket.get(known=known) == Fetched(None, known)
    assert len(uploader.downloads) == 1
    uploader.files["public/photos/red.jpg"] = b"another"
    changed = bucket.get(known=known)
    assert changed.file is not None
    assert changed.validators != known


def test_an_object_that_is_too_large_is_not_downloaded(bucket: Bucket, uploader: MemoryUploader) -> None:
    """The error has no words of the plugin, which may name the bucket."""
    uploader.files["public/photos/red.jpg"] = bytes(MOST_BYTES + 1)
    assert "red.jpg" not in bucket.fails(TooLargeError)
    assert uploader.downloads == []


def test_an_uploader_without_conditions_downloads_each_time(tmp_path: Path) -> None:
    """The object has no version, and its size is checked afterwards."""
    files = {"public/photos/red.jpg": BODY, "public/photos/large.jpg": bytes(MOST_BYTES + 1)}
    bucket = Bucket(tmp_path, OldUploader(files))
    for _ in range(2):
        fetched = bucket.get(known=Validators("version"))
        assert fetched.file is not None
        assert fetched.validators == Validators()
    bucket.fails(TooLargeError, "large.jpg")
    bucket.fails(NotFoundError, "missing.jpg")


def test_a_missing_object_is_not_there(bucket: Bucket, uploader: MemoryUploader) -> None:
    """So is a key that no bucket takes, for which it is not asked: a client cannot make the origin fail."""
    bucket.fails(NotFoundError, "missing.jpg")
    uploader.failure = StoreError("KeyTooLongError")
    bucket.fails(NotFoundError, "x" * (1025 - len("public/photos/")))
    bucket.fails(SourceFailedError, "x" * (1024 - len("public/photos/")))


def test_errors_of_the_bucket_are_failures_of_the_origin(bucket: Bucket, uploader: MemoryUploader) -> None:
    """Those of the local disk, and bugs of the plugin, are not."""
    for raised, error in (
        (StoreError("refused"), SourceFailedError),
        (StoreUnavailableError("away"), SourceFailedError),
        (DiskFullError("full"), DiskFullError),
        (ValueError("a bug"), PluginFailedError),
    ):
        uploader.failure = raised
        bucket.fails(error)


def test_a_late_download_leaves_no_file(tmp_path: Path) -> None:
    """The client gets its error in time. What a thread of the plugin writes afterwards is removed."""
    uploader = ThreadedUploader()
    bucket = Bucket(tmp_path, uploader)
    waiting = bucket.begin()
    bucket.clock.advance(TIMEOUT_S)
    with pytest.raises(SourceTimeoutError):
        result_of(waiting)
    uploader.work.pop()()
    assert not bucket.temporary.exists()


def test_a_bucket_that_hangs_gets_no_further_downloads(tmp_path: Path) -> None:
    """Else they would pile up before the threads of the plugin. When one has ended, there is room for another."""
    uploader = ThreadedUploader()
    bucket = Bucket(tmp_path, uploader)
    waiting = [bucket.begin() for _ in range(MOST_LATE)]
    bucket.clock.advance(TIMEOUT_S)
    for each in waiting:
        with pytest.raises(SourceTimeoutError):
            result_of(each)
    bucket.fails(SourceTimeoutError)
    assert len(uploader.work) == MOST_LATE
    uploader.work.pop()()
    again = bucket.begin()
    uploader.work.pop()()
    assert result_of(again).validators == Validators("version")
