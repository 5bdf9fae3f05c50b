"""Originals are kept once, under their hash, in both stores, and come back from either."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kitchen import IMAGE, PICTURE, Kitchen
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from imaged.core.errors import (
    CorruptOriginalError,
    HashConflictError,
    NotAPictureError,
    NotFoundError,
    PluginFailedError,
    SourceFailedError,
    StoreError,
    TooLargeError,
)
from imaged.core.events import OriginalUnavailable
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import Trace
from imaged.testing.pictures import HEIGHT_PX, WIDTH_PX, make_gif, make_png
from imaged.testing.waiting import wait

INFO = ImageInfo(IMAGE.hash, WIDTH_PX, HEIGHT_PX, "image/jpeg", len(PICTURE), hashlib.sha256(PICTURE).hexdigest())
KEY = f"p/{IMAGE.hash.partition([3, 3])}"


def test_an_original_is_kept_with_its_record(kitchen: Kitchen) -> None:
    """The record is what is found again, locally and remotely."""
    kitchen.keep()
    assert wait(kitchen.originals.info(IMAGE)) == INFO
    assert wait(kitchen.originals.find(IMAGE)).read_bytes() == PICTURE
    assert sorted(kitchen.uploader.files) == [f"{KEY}/info.json", f"{KEY}/original"]
    assert kitchen.uploader.content_types[f"{KEY}/info.json"] == "application/json"
    assert kitchen.temporaries == []


def test_the_original_is_uploaded_before_its_record(kitchen: Kitchen) -> None:
    """A record in the remote store says that the original is there."""
    kitchen.keep()
    assert list(kitchen.uploader.files) == [f"{KEY}/original", f"{KEY}/info.json"]


def test_the_extension_of_a_record_is_that_of_the_bytes(kitchen: Kitchen) -> None:
    """Whatever the picture was called."""
    image = kitchen.keep(make_gif())
    assert wait(kitchen.originals.info(image)).content_type == "image/gif"


@pytest.mark.parametrize(
    ("body", "error"), [(b"", NotAPictureError), (b"text", NotAPictureError), (make_png(9000, 1), TooLargeError)]
)
def test_what_is_refused_leaves_nothing(
    make_kitchen: Callable[..., Kitchen], body: bytes, error: type[Exception]
) -> None:
    """Neither in the stores nor on its way there."""
    kitchen = make_kitchen("render: {maximum_pixels: 8999}")
    with pytest.raises(error):
        kitchen.keep(body)
    assert kitchen.uploader.files == {}
    assert kitchen.temporaries == []
    assert not (kitchen.store.root / "p").exists()


def test_other_bytes_under_the_same_hash_are_a_conflict(kitchen: Kitchen) -> None:
    """The first stay."""
    kitchen.keep()
    kitchen.store.path(IMAGE, "original").write_bytes(b"others")
    with pytest.raises(HashConflictError):
        kitchen.keep()
    assert kitchen.store.path(IMAGE, "original").read_bytes() == b"others"
    assert kitchen.temporaries == []


def test_other_bytes_that_another_node_has_kept_are_a_conflict_too(kitchen: Kitchen) -> None:
    """The remote store keeps the first."""
    kitchen.keep()
    for name in ("original", "info.json"):
        kitchen.store.path(IMAGE, name).unlink()
    record = kitchen.uploader.files[f"{KEY}/info.json"].replace(INFO.sha256.encode(), b"0" * 64)
    kitchen.uploader.files[f"{KEY}/info.json"] = record
    with pytest.raises(HashConflictError):
        kitchen.keep()
    assert kitchen.uploader.files[f"{KEY}/info.json"] == record
    assert not kitchen.store.has(IMAGE, "original")


def test_a_cache_that_gives_other_bytes_is_passed_by(make_kitchen: Callable[..., Kitchen]) -> None:
    """The uploader has the right ones."""
    kitchen = make_kitchen("remote: {base_url: 'https://cdn.example'}")
    kitchen.keep()
    kitchen.store.path(IMAGE, "original").unlink()
    kitchen.sources.body = b"<html>sorry</html>"
    assert wait(kitchen.originals.find(IMAGE)).read_bytes() == PICTURE


@pytest.mark.parametrize(("raised", "told"), [(StoreError("down"), StoreError), (KeyError("x"), PluginFailedError)])
def test_nothing_is_acknowledged_without_the_remote_store(
    kitchen: Kitchen, raised: Exception, told: type[Exception]
) -> None:
    """Nor kept: who asks for it is told that it is not there, and the next attempt finds nothing in its way."""
    kitchen.uploader.failure = raised
    with pytest.raises(told):
        kitchen.keep()
    assert not kitchen.store.has(IMAGE, "original")
    assert kitchen.temporaries == []
    assert kitchen.uploader.files == {}
    kitchen.uploader.failure = None
    kitchen.keep()
    assert kitchen.uploader.files[f"{KEY}/original"] == PICTURE


def test_without_a_remote_store_the_local_one_is_enough(make_kitchen: Callable[..., Kitchen]) -> None:
    """And what it lacks is nowhere."""
    kitchen = make_kitchen(remote=False)
    kitchen.keep()
    assert wait(kitchen.originals.info(IMAGE)) == INFO
    with pytest.raises(NotFoundError, match="post it first"):
        wait(kitchen.originals.find(ImageId("q", IMAGE.hash)))


def test_a_missing_original_is_brought_back(kitchen: Kitchen) -> None:
    """And kept as if it had never been away; its record is made anew where that is missing too."""
    kitchen.keep()
    kitchen.store.path(IMAGE, "original").unlink()
    assert wait(kitchen.originals.find(IMAGE)).read_bytes() == PICTURE
    for name in ("original", "info.json"):
        kitchen.store.path(IMAGE, name).unlink()
    assert wait(kitchen.originals.info(IMAGE)) == INFO
    assert kitchen.store.read_info(IMAGE) == INFO
    assert kitchen.temporaries == []


def test_a_download_is_told_of_who_asked_first(make_kitchen: Callable[..., Kitchen]) -> None:
    """Who comes meanwhile waits for it, and who finds the original where it belongs does neither."""
    kitchen = make_kitchen("remote: {base_url: 'https://cdn.example'}")
    kitchen.keep()
    kitchen.store.path(IMAGE, "original").unlink()
    kitchen.sources.gate = Deferred()
    traces = [Trace(name, time.monotonic) for name in ("first", "second", "late")]

    def find(trace: Trace) -> Deferred[Path]:
        with trace.current():
            return Deferred.fromCoroutine(kitchen.originals.find(IMAGE))

    found = [find(trace) for trace in traces[:2]]
    kitchen.sources.gate.callback(None)
    found.append(find(traces[2]))
    assert [each.result for each in found] == [kitchen.store.path(IMAGE, "original")] * 3
    assert [list(trace.spans_ms) for trace in traces] == [["download"], ["wait"], []]


def test_what_is_in_neither_store_is_not_found(kitchen: Kitchen) -> None:
    """The sink is told."""
    with pytest.raises(NotFoundError):
        wait(kitchen.originals.find(IMAGE))
    assert kitchen.sink.events == [OriginalUnavailable("p", "NotFoundError")]
    assert kitchen.temporaries == []


def test_a_remote_original_has_to_be_what_its_name_says(kitchen: Kitchen) -> None:
    """Other bytes are not kept, and the log raises the alarm."""
    kitchen.uploader.files[f"{KEY}/original"] = PICTURE[:-1]
    with capturedLogs() as logged, pytest.raises(CorruptOriginalError, match="other bytes"):
        wait(kitchen.originals.find(IMAGE))
    assert [event["log_level"] for event in logged] == [LogLevel.error]
    assert not kitchen.store.has(IMAGE, "original")
    assert kitchen.temporaries == []


@pytest.mark.parametrize("name", ["original", None], ids=["local record", "remote record"])
def test_a_remote_original_has_to_be_what_its_record_says(kitchen: Kitchen, name: str | None) -> None:
    """MD5 can be forged: where the SHA-256 is known, here or there, it decides."""
    kitchen.keep()
    wrong = kitchen.uploader.files[f"{KEY}/info.json"].replace(INFO.sha256.encode(), b"0" * 64)
    kitchen.store.path(IMAGE, "original").unlink()
    if name:
        kitchen.store.path(IMAGE, "info.json").write_bytes(wrong)
    else:
        kitchen.store.path(IMAGE, "info.json").unlink()
        kitchen.uploader.files[f"{KEY}/info.json"] = wrong
    with pytest.raises(CorruptOriginalError, match="SHA-256"):
        wait(kitchen.originals.find(IMAGE))
    assert not kitchen.store.has(IMAGE, "original")


def test_an_original_comes_back_from_the_public_address(make_kitchen: Callable[..., Kitchen]) -> None:
    """At the key that it has in the remote store, without the uploader."""
    kitchen = make_kitchen("remote: {base_url: 'https://cdn.example/a', base_path: public}", remote=False)
    assert wait(kitchen.originals.find(IMAGE)).read_bytes() == PICTURE
    assert kitchen.sources.urls[0] == f"https://cdn.example/a/public/{KEY}/original"


@pytest.mark.parametrize("error", [NotFoundError("404"), SourceFailedError("500")])
def test_what_the_public_address_lacks_the_uploader_may_have(
    make_kitchen: Callable[..., Kitchen], error: Exception
) -> None:
    """A CDN may have forgotten, or never known."""
    kitchen = make_kitchen("remote: {base_url: 'https://cdn.example'}")
    kitchen.keep()
    kitchen.store.path(IMAGE, "original").unlink()
    kitchen.sources.error = error
    assert wait(kitchen.originals.find(IMAGE)).read_bytes() == PICTURE
    assert len(kitchen.sources.urls) == 1
    assert kitchen.temporaries == []


def test_a_public_address_that_fails_is_told_as_such(make_kitchen: Callable[..., Kitchen]) -> None:
    """Where there is no uploader to ask instead."""
    kitchen = make_kitchen("remote: {base_url: 'https://cdn.example'}", remote=False)
    kitchen.sources.error = SourceFailedError("cdn.example answers 500")
    with pytest.raises(SourceFailedError):
        wait(kitchen.originals.find(IMAGE))
    kitchen.sources.error = NotFoundError("404")
    with pytest.raises(NotFoundError, match="post it first"):
        wait(kitchen.originals.find(IMAGE))


def test_what_is_kept_is_noted_as_uploaded(kitchen: Kitchen) -> None:
    """So that a start does not look for it."""
    kitchen.keep()
    known = [(IMAGE, ["original", "info.json", "x300.jpg"])]
    assert wait(kitchen.promises.unacknowledged("memory", known)) == [(IMAGE, ["x300.jpg"])]
    assert wait(kitchen.promises.unacknowledged("another", known)) == [(IMAGE, ["info.json", "original", "x300.jpg"])]


def test_a_remote_store_that_fails_is_told_as_such(kitchen: Kitchen) -> None:
    """It is not the same as an image that does not exist."""
    kitchen.uploader.failure = StoreError("down")
    with pytest.raises(StoreError, match="down"):
        wait(kitchen.originals.info(IMAGE))
    assert kitchen.sink.events == [OriginalUnavailable("p", "StoreError")]


def test_a_record_that_lies_is_not_believed(kitchen: Kitchen) -> None:
    """A broken one is made anew."""
    kitchen.keep()
    for text in ("", "{}", "[]", '{"hash": "x"}', "\x00", '{"hash": "%s"}' % ("0" * 32)):
        kitchen.store.path(IMAGE, "info.json").write_text(text)
        assert wait(kitchen.originals.info(IMAGE)) == INFO
        assert kitchen.store.read_info(IMAGE) == INFO


def test_a_record_alone_is_no_image(kitchen: Kitchen) -> None:
    """What cannot be given back is not there."""
    other = ImageId("p", ImageHash("0" * 32))
    kitchen.store.save_info(other, ImageInfo(other.hash, 1, 1, "image/png", 1, "0"))
    with pytest.raises(NotFoundError):
        wait(kitchen.originals.info(other))
