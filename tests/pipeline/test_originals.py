"""Originals are kept once, under their hash, in both stores, and are restored from either."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from imaged.config.model import StoreSettings
from imaged.core.clients import NO_CHARGE
from imaged.core.errors import (
    CorruptOriginalError,
    DiskFullError,
    GoneError,
    HashConflictError,
    NotAPictureError,
    NotFoundError,
    PluginFailedError,
    SourceFailedError,
    StoreError,
    TooLargeError,
)
from imaged.core.events import OriginalUnavailable
from imaged.core.files import ORIGINAL, RECORD, ImageFile, parse_file
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageFacts, ImageInfo
from imaged.core.tracing import Trace
from imaged.pipeline.originals import NOT_THERE_S
from imaged.store.tombstones import Tombstone, Tombstones
from imaged.testing.fakes import StillProcessor
from imaged.testing.pictures import HEIGHT_PX, WIDTH_PX, make_gif, make_png
from imaged.testing.waiting import wait

INFO = ImageInfo(IMAGE.hash, WIDTH_PX, HEIGHT_PX, "image/jpeg", len(PICTURE), hashlib.sha256(PICTURE).hexdigest())
KEY = f"p/{IMAGE.hash.partition([3, 3])}"


def test_an_original_is_kept_with_its_record(harness: PipelineHarness) -> None:
    """Both stores have the record."""
    harness.keep()
    assert wait(harness.originals.info(IMAGE)) == INFO
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE
    assert sorted(harness.uploader.files) == [f"{KEY}/info.json", f"{KEY}/original"]
    assert harness.uploader.content_types[f"{KEY}/info.json"] == "application/json"
    assert harness.temporaries == []


def test_the_original_is_uploaded_before_its_record(harness: PipelineHarness) -> None:
    """A record in the remote store means that the original is there."""
    harness.keep()
    assert list(harness.uploader.files) == [f"{KEY}/original", f"{KEY}/info.json"]


def test_the_extension_of_a_record_is_that_of_the_bytes(harness: PipelineHarness) -> None:
    """The name of the file does not matter."""
    image = harness.keep(make_gif())
    assert wait(harness.originals.info(image)).content_type == "image/gif"


@pytest.mark.parametrize(
    ("body", "error"), [(b"", NotAPictureError), (b"text", NotAPictureError), (make_png(9000, 1), TooLargeError)]
)
def test_a_refused_original_leaves_nothing(
    make_harness: Callable[..., PipelineHarness], body: bytes, error: type[Exception]
) -> None:
    """Neither store has it, and no temporary file remains."""
    harness = make_harness("render: {maximum_pixels: 8999}")
    with pytest.raises(error):
        harness.keep(body)
    assert harness.uploader.files == {}
    assert harness.temporaries == []
    assert not (harness.store.root / "p").exists()


def test_other_bytes_under_the_same_hash_are_a_conflict(harness: PipelineHarness) -> None:
    """The first original stays."""
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).write_bytes(b"others")
    with pytest.raises(HashConflictError):
        harness.keep()
    assert harness.store.path(IMAGE, ORIGINAL).read_bytes() == b"others"
    assert harness.temporaries == []


def test_other_bytes_that_another_node_has_kept_are_a_conflict_too(harness: PipelineHarness) -> None:
    """The remote store keeps the first original."""
    harness.keep()
    for name in ("original", "info.json"):
        harness.store.path(IMAGE, parse_file(name)).unlink()
    record = harness.uploader.files[f"{KEY}/info.json"].replace(INFO.sha256.encode(), b"0" * 64)
    harness.uploader.files[f"{KEY}/info.json"] = record
    with pytest.raises(HashConflictError):
        harness.keep()
    assert harness.uploader.files[f"{KEY}/info.json"] == record
    assert not harness.store.has(IMAGE, ORIGINAL)


def test_a_cache_with_other_bytes_is_bypassed(make_harness: Callable[..., PipelineHarness]) -> None:
    """The original is read through the uploader."""
    harness = make_harness("remote: {base_url: 'https://cdn.example'}")
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    harness.sources.body = b"<html>sorry</html>"
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE


@pytest.mark.parametrize(("raised", "told"), [(StoreError("down"), StoreError), (KeyError("x"), PluginFailedError)])
def test_a_post_fails_without_the_remote_store(
    harness: PipelineHarness, raised: Exception, told: type[Exception]
) -> None:
    """Nothing is kept: a GET answers 404, and the next attempt succeeds."""
    harness.uploader.failure = raised
    with pytest.raises(told):
        harness.keep()
    assert not harness.store.has(IMAGE, ORIGINAL)
    assert harness.temporaries == []
    assert harness.uploader.files == {}
    harness.uploader.failure = None
    harness.keep()
    assert harness.uploader.files[f"{KEY}/original"] == PICTURE


def test_without_a_remote_store_the_local_one_is_enough(make_harness: Callable[..., PipelineHarness]) -> None:
    """An original that it misses is not found."""
    harness = make_harness(remote=False)
    harness.keep()
    assert wait(harness.originals.info(IMAGE)) == INFO
    with pytest.raises(NotFoundError, match="post it first"):
        wait(harness.originals.find(ImageId("q", IMAGE.hash)))


def test_a_missing_original_is_restored(harness: PipelineHarness) -> None:
    """The local store keeps it again; a missing record is written again."""
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE
    for name in ("original", "info.json"):
        harness.store.path(IMAGE, parse_file(name)).unlink()
    assert wait(harness.originals.info(IMAGE)) == INFO
    assert harness.store.originals.info(IMAGE) == INFO
    assert harness.temporaries == []


def test_a_download_counts_for_the_first_request(make_harness: Callable[..., PipelineHarness]) -> None:
    """Concurrent requests wait for it; later ones find the original in the local store."""
    harness = make_harness("remote: {base_url: 'https://cdn.example'}")
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    harness.sources.gate = Deferred()
    traces = [Trace(name, time.monotonic) for name in ("first", "second", "late")]

    def find(trace: Trace) -> Deferred[Path]:
        with trace.current():
            return Deferred.fromCoroutine(harness.originals.find(IMAGE))

    found = [find(trace) for trace in traces[:2]]
    harness.sources.gate.callback(None)
    found.append(find(traces[2]))
    assert [each.result for each in found] == [harness.store.path(IMAGE, ORIGINAL)] * 3
    assert [list(trace.spans_ms) for trace in traces] == [["wait", "download"], ["wait"], []]


def test_an_original_in_neither_store_is_not_found(harness: PipelineHarness) -> None:
    """The metrics sink receives an event."""
    with pytest.raises(NotFoundError):
        wait(harness.originals.find(IMAGE))
    assert harness.sink.events == [OriginalUnavailable("p", "NotFoundError")]
    assert harness.temporaries == []


def test_a_remote_original_must_match_its_hash(harness: PipelineHarness) -> None:
    """Other bytes are not kept, and the log reports them."""
    harness.uploader.files[f"{KEY}/original"] = PICTURE[:-1]
    with capturedLogs() as logged, pytest.raises(CorruptOriginalError, match="does not match its hash"):
        wait(harness.originals.find(IMAGE))
    assert [event["log_level"] for event in logged] == [LogLevel.error]
    assert not harness.store.has(IMAGE, ORIGINAL)
    assert harness.temporaries == []


@pytest.mark.parametrize("name", ["original", None], ids=["local record", "remote record"])
def test_a_remote_original_must_match_its_record(harness: PipelineHarness, name: str | None) -> None:
    """MD5 can be forged: where a record has the SHA-256, locally or remotely, it decides."""
    harness.keep()
    wrong = harness.uploader.files[f"{KEY}/info.json"].replace(INFO.sha256.encode(), b"0" * 64)
    harness.store.path(IMAGE, ORIGINAL).unlink()
    if name:
        harness.store.path(IMAGE, RECORD).write_bytes(wrong)
    else:
        harness.store.path(IMAGE, RECORD).unlink()
        harness.uploader.files[f"{KEY}/info.json"] = wrong
    with pytest.raises(CorruptOriginalError, match="SHA-256"):
        wait(harness.originals.find(IMAGE))
    assert not harness.store.has(IMAGE, ORIGINAL)


def test_an_original_is_restored_from_the_public_address(make_harness: Callable[..., PipelineHarness]) -> None:
    """The URL ends in the key of the remote store; the uploader is not called."""
    harness = make_harness("remote: {base_url: 'https://cdn.example/a', base_path: public}", remote=False)
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE
    assert harness.sources.urls[0] == f"https://cdn.example/a/public/{KEY}/original"


@pytest.mark.parametrize("error", [NotFoundError("404"), SourceFailedError("500")])
def test_the_uploader_is_tried_when_the_public_address_has_no_file(
    make_harness: Callable[..., PipelineHarness], error: Exception
) -> None:
    """A CDN may have dropped the file."""
    harness = make_harness("remote: {base_url: 'https://cdn.example'}")
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    harness.sources.error = error
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE
    assert len(harness.sources.urls) == 1
    assert harness.temporaries == []


def test_a_public_address_that_fails_is_an_error_of_its_own(make_harness: Callable[..., PipelineHarness]) -> None:
    """There is no uploader to try instead."""
    harness = make_harness("remote: {base_url: 'https://cdn.example'}", remote=False)
    harness.sources.error = SourceFailedError("cdn.example answers 500")
    with pytest.raises(SourceFailedError):
        wait(harness.originals.find(IMAGE))
    harness.sources.error = NotFoundError("404")
    with pytest.raises(NotFoundError, match="post it first"):
        wait(harness.originals.find(IMAGE))


def test_a_kept_original_is_marked_as_stored(harness: PipelineHarness) -> None:
    """The comparison at the next start does not upload it again."""
    harness.keep()
    x300 = parse_file("x300.jpg")
    known: list[tuple[ImageId, list[ImageFile]]] = [(IMAGE, [ORIGINAL, RECORD, x300])]
    assert wait(harness.jobs.not_stored(harness.remote.identity, known)) == [(IMAGE, [x300])]
    assert wait(harness.jobs.not_stored("another", known)) == [(IMAGE, [RECORD, ORIGINAL, x300])]


def test_a_remote_store_that_fails_is_an_error_of_its_own(harness: PipelineHarness) -> None:
    """It differs from an image that does not exist."""
    harness.uploader.failure = StoreError("down")
    with pytest.raises(StoreError, match="down"):
        wait(harness.originals.info(IMAGE))
    assert harness.sink.events == [OriginalUnavailable("p", "StoreError")]


def test_a_broken_record_is_replaced(harness: PipelineHarness) -> None:
    """It is written again from the original."""
    harness.keep()
    for text in ("", "{}", "[]", '{"hash": "x"}', "\x00", '{"hash": "%s"}' % ("0" * 32)):
        harness.store.path(IMAGE, RECORD).write_text(text)
        assert wait(harness.originals.info(IMAGE)) == INFO
        assert harness.store.originals.info(IMAGE) == INFO


def test_a_record_without_an_original_is_no_image(harness: PipelineHarness) -> None:
    """An image whose original is gone is not found."""
    other = ImageId("p", ImageHash("0" * 32))
    harness.store.originals.save_info(other, ImageInfo(other.hash, 1, 1, "image/png", 1, "0"))
    with pytest.raises(NotFoundError):
        wait(harness.originals.info(other))


def test_an_original_is_not_restored_without_the_room_that_a_post_needs(harness: PipelineHarness) -> None:
    """What the settings want free stays free; a picture that does not exist is still not found."""
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    counters = harness.environment.counters
    counters.bound.follow(StoreSettings(keep_free_bytes=2**60), harness.store.root)
    counters.bound.fault = "nothing more can be forgotten"
    with pytest.raises(DiskFullError):
        wait(harness.originals.find(IMAGE))
    assert f"{KEY}/original" not in harness.uploader.downloads  # the record says how large it is
    harness.store.path(IMAGE, RECORD).unlink()
    harness.reactor.advance(NOT_THERE_S)
    for _ in range(3):
        with pytest.raises(DiskFullError):
            wait(harness.originals.find(IMAGE, NO_CHARGE))
    assert harness.uploader.downloads.count(f"{KEY}/original") == 1
    with pytest.raises(NotFoundError):
        wait(harness.originals.find(ImageId("p", ImageHash("0" * 32))))
    assert (harness.temporaries, counters.incoming.used_bytes) == ([], 0)
    counters.bound.fault = None
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE


class Erasing(StillProcessor):
    """Erases the picture of `tombstone` before it reads a header, if there is one."""

    def __init__(self, tombstones: Callable[[], Tombstones]) -> None:
        super().__init__()
        self.tombstones = tombstones
        self.tombstone: Tombstone | None = None

    def identify(self, source: Path) -> ImageFacts:
        """Read the header."""
        if self.tombstone is not None:
            self.tombstones().add(self.tombstone)
        return super().identify(source)


def test_a_picture_that_is_erased_while_it_is_read_is_gone(make_harness: Callable[..., PipelineHarness]) -> None:
    """Not a failure of the store, though its file is missing."""
    processor = Erasing(lambda: harness.store.tombstones)
    harness = make_harness(processor=processor, remote=False)
    harness.keep()
    harness.store.path(IMAGE, RECORD).unlink()
    processor.tombstone = Tombstone(IMAGE, time.time_ns())
    with pytest.raises(GoneError):
        wait(harness.originals.info(IMAGE))
