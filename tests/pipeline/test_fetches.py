"""What clients may have the remote store asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time_ns

import pytest
from pipeline_harness import IMAGE, PICTURE, PipelineHarness
from twisted.internet.defer import Deferred

from imaged.core.clients import Charge
from imaged.core.errors import BusyError, GoneError, NotFoundError, TooManyRequestsError
from imaged.core.files import ORIGINAL
from imaged.core.hashes import ImageHash, ImageId
from imaged.core.outputs import parse
from imaged.pipeline.originals import MOST_FETCHES, NOT_THERE_S
from imaged.store.tombstones import Tombstone
from imaged.testing.waiting import wait


async def ended(begun: Deferred[Path]) -> Path:
    """Return the result of a call that has begun."""
    return await begun


class Counted:
    """Counts the fetches of a client, and refuses them after `most`."""

    def __init__(self, most: int = 1000) -> None:
        self.fetches, self.most = 0, most
        self.charge = Charge(lambda _: None, self._fetch)

    def _fetch(self) -> None:
        if self.fetches >= self.most:
            raise TooManyRequestsError("too many", 1)
        self.fetches += 1


def test_clients_do_not_ask_the_remote_store_again_at_once(make_harness: Callable[..., PipelineHarness]) -> None:
    """For NOT_THERE_S they get what it said; then a picture is found that another node has posted."""
    counted, harness = Counted(), make_harness()
    other = make_harness(uploader=harness.uploader)
    for _ in range(3):
        with pytest.raises(NotFoundError, match="post it first"):
            wait(harness.originals.find(IMAGE, counted.charge))
    assert (counted.fetches, len(harness.uploader.downloads)) == (1, 1)
    other.keep()
    with pytest.raises(NotFoundError, match="post it first"):
        wait(harness.originals.find(IMAGE, counted.charge))
    harness.reactor.advance(NOT_THERE_S)
    assert wait(harness.originals.find(IMAGE, counted.charge)).read_bytes() == PICTURE
    assert counted.fetches == 2


def test_a_job_asks_the_remote_store(make_harness: Callable[..., PipelineHarness]) -> None:
    """What clients got a moment ago does not fail it for good."""
    harness = make_harness()
    with pytest.raises(NotFoundError):
        wait(harness.originals.find(IMAGE, Counted().charge))
    make_harness(uploader=harness.uploader).keep()
    assert wait(harness.originals.find(IMAGE)).read_bytes() == PICTURE


def test_a_post_ends_the_refusal_of_its_original(harness: PipelineHarness) -> None:
    """Also where the local store forgets the original at once."""
    counted = Counted()
    with pytest.raises(NotFoundError):
        wait(harness.originals.find(IMAGE, counted.charge))
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    assert wait(harness.originals.find(IMAGE, counted.charge)).read_bytes() == PICTURE


def test_a_fetch_counts_for_the_client_that_begins_it(make_harness: Callable[..., PipelineHarness]) -> None:
    """One that waits for it pays nothing, nor does one that is refused, nor one whose original is here."""
    harness = make_harness("remote: {base_url: 'https://cdn.example'}")
    harness.keep()
    harness.store.path(IMAGE, ORIGINAL).unlink()
    harness.sources.gate = Deferred()
    first, second, none = Counted(), Counted(), Counted(0)
    with pytest.raises(TooManyRequestsError):
        wait(harness.originals.find(IMAGE, none.charge))
    found = [Deferred.fromCoroutine(harness.originals.find(IMAGE, each.charge)) for each in (first, second, none)]
    harness.sources.gate.callback(None)
    assert [wait(ended(each)).read_bytes() for each in found] == [PICTURE] * 3
    assert wait(harness.originals.find(IMAGE, none.charge)).read_bytes() == PICTURE
    assert (first.fetches, second.fetches, none.fetches) == (1, 0, 0)


def test_a_render_that_is_refused_costs_no_fetch(harness: PipelineHarness) -> None:
    """A client without a new output left keeps its fetches; nor does an erased picture cost one."""
    counted = Counted()

    def refuse(_outputs: int) -> None:
        raise TooManyRequestsError("too many", 1)

    with pytest.raises(TooManyRequestsError):
        wait(harness.pipeline.output(IMAGE, parse("w10.jpg"), replace(counted.charge, outputs=refuse)))
    harness.keep()
    harness.store.tombstones.add(Tombstone(IMAGE, time_ns()))
    with pytest.raises(GoneError):
        wait(harness.pipeline.output(IMAGE, parse("w10.jpg"), counted.charge))
    assert counted.fetches == 0


def test_fetches_are_bounded(make_harness: Callable[..., PipelineHarness]) -> None:
    """Beyond that, a client gets 503 at once; without a remote store, nothing is counted."""
    harness = make_harness("remote: {base_url: 'https://cdn.example'}")
    harness.sources.gate = Deferred()
    images = [ImageId("p", ImageHash(f"{number:032x}")) for number in range(MOST_FETCHES + 1)]
    counted = Counted()
    waiting = [Deferred.fromCoroutine(harness.originals.find(each, counted.charge)) for each in images[:-1]]
    with pytest.raises(BusyError):
        wait(harness.originals.find(images[-1], counted.charge))
    assert counted.fetches == MOST_FETCHES
    harness.sources.error = NotFoundError("none")
    harness.sources.gate.callback(None)
    for each in waiting:
        with pytest.raises(NotFoundError):
            wait(ended(each))
    local = make_harness(remote=False)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            wait(local.originals.find(IMAGE, counted.charge))
    assert counted.fetches == MOST_FETCHES
