"""New originals, by URL and by body: concurrent requests share a fetch, and failures leave no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError, MalformedRequestError, NotAPictureError, SourceFailedError, TooLargeError
from imaged.core.events import OriginalDownloaded, OriginalUnavailable
from imaged.core.files import ORIGINAL, RECORD
from imaged.testing.waiting import wait

URL = "http://example.com/a.jpg"


def test_a_source_is_fetched_and_kept(harness: PipelineHarness) -> None:
    """The metrics sink receives its size and duration."""
    image, info = wait(harness.ingest.from_source("p", URL))
    assert (image, info.size_bytes) == (IMAGE, len(PICTURE))
    assert harness.store.path(IMAGE, ORIGINAL).read_bytes() == PICTURE
    assert harness.sink.of(OriginalDownloaded) == [OriginalDownloaded("p", len(PICTURE), 0.0)]
    assert harness.temporaries == []


def test_concurrent_requests_for_one_source_cost_one_fetch(harness: PipelineHarness) -> None:
    """Within a namespace; another namespace keeps its own copy."""
    harness.sources.gate = Deferred()
    waits = [Deferred.fromCoroutine(harness.ingest.from_source(namespace, URL)) for namespace in "ppq"]
    harness.sources.gate.callback(None)
    results = [wait(_awaited(each)) for each in waits]
    assert [image.namespace for image, _ in results] == ["p", "p", "q"]
    assert harness.sources.urls == [URL, URL]


def test_too_many_fetches_are_refused(harness: PipelineHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound another source is refused at once; requests may still wait for one that is fetched."""
    monkeypatch.setattr("imaged.pipeline.ingest.MAXIMUM_FETCHES", 1)
    harness.sources.gate = Deferred()
    waits = [Deferred.fromCoroutine(harness.ingest.from_source("p", URL)) for _ in range(2)]
    with pytest.raises(BusyError):
        wait(harness.ingest.from_source("p", f"{URL}?other"))
    harness.sources.gate.callback(None)
    assert [wait(_awaited(each))[0] for each in waits] == [IMAGE, IMAGE]
    assert harness.sources.urls == [URL]


async def _awaited(waiting: Deferred[Any]) -> Any:
    return await waiting


def test_a_fetch_continues_without_its_client(harness: PipelineHarness) -> None:
    """It runs to its end."""
    harness.sources.gate = Deferred()
    leaving = Deferred.fromCoroutine(harness.ingest.from_source("p", URL))
    leaving.cancel()
    leaving.addErrback(lambda _: None)
    harness.sources.gate.callback(None)
    assert harness.store.has(IMAGE, RECORD)


@pytest.mark.parametrize("error", [SourceFailedError("no"), TooLargeError("big"), MalformedRequestError("what?")])
def test_a_source_that_fails_leaves_nothing(harness: PipelineHarness, error: Exception) -> None:
    """The client gets the error, a metric counts it, and the next attempt fetches again."""
    harness.sources.error = error
    with pytest.raises(type(error)):
        wait(harness.ingest.from_source("p", URL))
    assert harness.sink.events == [OriginalUnavailable("p", type(error).__name__)]
    assert harness.temporaries == []
    harness.sources.error = None
    wait(harness.ingest.from_source("p", URL))


def test_a_source_without_a_picture_leaves_nothing(harness: PipelineHarness) -> None:
    """It is downloaded and refused."""
    harness.sources.body = b"<html>"
    with pytest.raises(NotAPictureError):
        wait(harness.ingest.from_source("p", URL))
    assert [type(event) for event in harness.sink.events] == [OriginalDownloaded]
    assert harness.temporaries == []


def test_a_body_comes_in_chunks(harness: PipelineHarness) -> None:
    """Their lengths do not matter."""
    image, info = wait(harness.ingest.from_body("p", (PICTURE[at : at + 7] for at in range(0, len(PICTURE), 7))))
    assert (image, info.size_bytes) == (IMAGE, len(PICTURE))
    assert harness.temporaries == []


def test_a_body_that_is_too_large_leaves_nothing(make_harness: Callable[..., PipelineHarness]) -> None:
    """Reading ends as soon as it is."""
    harness = make_harness("sources: {maximum_bytes: 100}")
    taken = []

    def chunks() -> Iterator[bytes]:
        for _ in range(1000):
            taken.append(1)
            yield bytes(60)

    with pytest.raises(TooLargeError):
        wait(harness.ingest.from_body("p", chunks()))
    assert len(taken) == 2
    assert harness.temporaries == []


def test_a_body_that_breaks_off_leaves_nothing(harness: PipelineHarness) -> None:
    """The reader of a form may find an error in the middle."""

    def chunks() -> Iterator[bytes]:
        yield PICTURE
        raise MalformedRequestError("broken")

    with pytest.raises(MalformedRequestError):
        wait(harness.ingest.from_body("p", chunks()))
    assert harness.temporaries == []
    assert not harness.store.has(IMAGE, ORIGINAL)
