"""A sink is told everything on a thread of its own, and costs nobody anything when it fails or hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from serving import until
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from imaged.core.errors import BusyError, PluginFailedError
from imaged.core.events import Event, RequestFailed, Uploaded
from imaged.hooks import sink_runner as feeds
from imaged.hooks.sink_runner import DELAY_S, MAXIMUM_ASKING, MAXIMUM_WAITING, SinkRunner
from imaged.hooks.sink_thread import FAULT_CHARACTERS, Outcome, tell
from imaged.testing.fakes import NoThreads, RecordingSink
from imaged.workers.threads import Threads

FIRST, SECOND = RequestFailed("p", "jpg", 404), Uploaded("p", 81_234, 0.5)


class Sink(RecordingSink):
    """A sink that sends every two seconds, and shows how much it knows; while `failure` is set it raises that."""

    flush_every_s = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []

    def flush(self) -> None:
        """Send how many events there have been."""
        if self.failure is not None:
            raise self.failure
        self.sent.append(len(self.events))

    def expose(self, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:
        """Show it."""
        if self.failure is not None:
            raise self.failure
        return accept, f"{snapshot['message']} {len(self.events)}".encode()


class Hung:
    """A sink that hangs until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.hangs = threading.Event()
        self.recorded = 0

    def record(self, event: Event) -> None:  # noqa: ARG002  # the contract
        """Hang."""
        self.hangs.set()
        self.released.wait(30)
        self.recorded += 1

    def expose(self, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:  # noqa: ARG002  # as above
        """Show what there is, if it ever gets there."""
        return "text/plain", str(self.recorded).encode()


def still(sink: Any) -> tuple[SinkRunner, Clock]:
    """Return a feed whose thread is that of the test, on a clock that the test moves."""
    clock = Clock()
    return SinkRunner("mine", sink, clock, NoThreads()), clock


def test_events_are_handed_over_together_and_in_order() -> None:
    """A moment after the first of them."""
    sink = RecordingSink()
    feed, clock = still(sink)
    feed.offer(FIRST)
    clock.advance(DELAY_S / 2)
    feed.offer(SECOND)
    assert sink.events == []
    clock.advance(DELAY_S / 2)
    assert sink.events == [FIRST, SECOND]
    assert (feed.told.recorded, feed.told.failed, feed.told.lost, feed.told.fault) == (2, 0, 0, None)


def test_a_sink_that_fails_hears_of_the_next_event() -> None:
    """And its fault is told."""
    sink = RecordingSink()
    feed, clock = still(sink)
    sink.failure = OSError("no route")
    feed.offer(FIRST)
    feed.offer(SECOND)
    clock.advance(DELAY_S)
    assert sink.events == [FIRST, SECOND]
    assert (feed.told.failed, feed.told.fault) == (2, "OSError: no route")


def test_what_nobody_awaits_is_a_failure() -> None:
    """A record or a flush that gives a coroutine has done nothing, and a flush says True, False or nothing."""

    async def later() -> None: ...

    class Asynchronous(Sink):
        flushed: Any = None

        def record(self, event: Event) -> Any:  # noqa: ARG002  # the contract
            return later()

        def flush(self) -> Any:
            return self.flushed

    sink: Any = Asynchronous()
    assert tell("mine", sink, [FIRST], flush=True) == Outcome(
        1, "TypeError: record returned a coroutine, which nobody awaits", flushed=True
    )
    for flushed, wrong in ((later(), "coroutine"), (1, "int"), ("sent", "str")):
        sink.flushed = flushed
        told = f"TypeError: flush returned {wrong}, not True, False or None"
        assert tell("mine", sink, [], flush=True) == Outcome(flushed=False, flush_fault=told)


def test_a_sink_that_sends_does_so_in_time() -> None:
    """Also when nothing happens, and what happened before is in it."""
    sink = Sink()
    feed, clock = still(sink)
    feed.offer(FIRST)
    clock.pump([0.25] * 8)
    assert sink.sent == [1]
    clock.pump([0.25] * 16)
    assert sink.sent == [1, 1, 1]
    sink.failure = OSError("nobody there")
    clock.pump([0.25] * 8)
    assert feed.told.fault == "OSError: nobody there"
    assert (feed.told.failed, feed.told.flushes_failed) == (0, 1)
    sink.failure = None
    clock.pump([0.25] * 8)
    assert sink.sent == [1, 1, 1, 1]
    assert feed.told.fault is None


class UnspeakableError(Exception):
    """An error that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_fault_that_cannot_be_told_breaks_nothing() -> None:
    """Nor does one without end: its line is short, and the feed goes on."""
    sink = RecordingSink()
    feed, clock = still(sink)
    for failure in (UnspeakableError(), OSError("no\nroute " * 5000), OSError("\udcff")):
        sink.failure = failure
        feed.offer(FIRST)
        clock.advance(DELAY_S)
        fault = str(feed.told.fault)
        assert fault.startswith(type(failure).__name__)
        assert len(fault) <= FAULT_CHARACTERS
        assert "\n" not in fault
        fault.encode()
    sink.failure = None
    feed.offer(SECOND)
    clock.advance(DELAY_S)
    assert (feed.told.recorded, feed.told.failed, feed.told.fault) == (4, 3, None)


def test_threads_that_fail_cost_events_and_no_more() -> None:
    """What they were to be told of is lost, and the next is told."""
    sink, clock, threads = RecordingSink(), Clock(), NoThreads()
    feed = SinkRunner("mine", sink, clock, threads)

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    works, threads.run = threads.run, refuse  # type: ignore[method-assign]  # of this one alone
    feed.offer(FIRST)
    clock.advance(DELAY_S)
    assert (feed.told.lost, feed.told.fault) == (1, "has no thread: RuntimeError: can't start new thread")
    threads.run = works  # type: ignore[method-assign]  # as above
    feed.offer(SECOND)
    clock.advance(DELAY_S)
    assert sink.events == [SECOND]
    assert (feed.told.recorded, feed.told.lost, feed.told.fault) == (1, 1, None)


class TestFeed(TestCase):
    """On real threads."""

    timeout = 30

    @pytest.fixture(autouse=True)
    def _take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def feed(self, sink: Any) -> SinkRunner:
        """Return a feed on a thread of its own."""
        return SinkRunner("mine", sink, reactor, Threads(reactor, "sink", 1))

    async def test_what_is_shown_has_everything(self) -> None:
        """Also what happened a moment before, with the snapshot and the scraper's wish."""
        feed = self.feed(Sink())
        feed.offer(FIRST)
        assert await feed.expose({"message": "OK"}, "text/plain") == ("text/plain", b"OK 1")
        await feed.close()

    async def test_two_scrapers_at_once(self) -> None:
        """Both are answered: Prometheus servers come in pairs."""
        feed = self.feed(Sink())
        both = [Deferred.fromCoroutine(feed.expose({"message": "OK"}, name)) for name in ("a", "b")]
        assert [await each for each in both] == [("a", b"OK 0"), ("b", b"OK 0")]
        await feed.close()

    async def test_who_fails_to_show_is_told_of(self) -> None:
        """As a defect of the plugin; the next scrape may do better."""
        sink = Sink()
        feed = self.feed(sink)
        sink.failure = ValueError("no figures")
        with pytest.raises(PluginFailedError, match="ValueError"):
            await feed.expose({}, "")
        assert feed.told.fault == "ValueError: no figures"
        sink.failure = None
        assert await feed.expose({"message": "OK"}, "") == ("", b"OK 0")
        await feed.close()

    async def test_whatever_a_sink_shows_its_scrape_ends(self) -> None:
        """What would end the program elsewhere, and what is no page, are defects of the plugin at once."""

        class Strange(RecordingSink):
            shows: Any = None

            def expose(self, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes]:  # noqa: ARG002  # the contract
                if isinstance(self.shows, BaseException):
                    raise self.shows
                shows: tuple[str, bytes] = self.shows
                return shows

        sink = Strange()
        feed = self.feed(sink)
        for shows in (SystemExit(3), UnspeakableError(), None, "text", ("text/plain", 10**10), (b"text/plain", b"")):
            sink.shows = shows
            with pytest.raises(PluginFailedError):
                await feed.expose({}, "")
        assert (feed.told.scrapes_failed, feed.told.failed) == (6, 0)
        assert feed.told.fault == "tuple: what it shows is no (str, bytes)"
        sink.shows = ("text/plain", b"all")
        assert await feed.expose({}, "") == sink.shows
        assert feed.told.fault is None
        await feed.close()

    async def test_one_that_hangs_is_told_of_until_it_comes_back(self) -> None:
        """On the status page and in the log, long before events are lost to it."""
        self.monkeypatch.setattr(feeds, "HANGS_AFTER_S", 0.05)
        sink = Hung()
        feed = self.feed(sink)
        feed.offer(FIRST)
        await until(lambda: feed.told.fault)
        assert feed.told.fault == "hangs: it has been told something 0.05 s ago, and has not come back"
        sink.released.set()
        await until(lambda: feed.told.fault is None)
        await feed.close()

    async def test_a_feed_that_has_ended_sends_scrapers_away(self) -> None:
        """At once: its thread would never answer."""
        for end in (SinkRunner.close, SinkRunner.let_go):
            feed = self.feed(Sink())
            if (ending := end(feed)) is not None:
                await ending
            with pytest.raises(BusyError, match="ended"):
                await feed.expose({}, "")

    async def test_the_last_words(self) -> None:
        """What still waits is told, and sent, before the feed is closed; what comes later is nobody's."""
        sink = Sink()
        feed = self.feed(sink)
        feed.offer(FIRST)
        await feed.close()
        assert (sink.events, sink.sent) == ([FIRST], [1])
        feed.offer(SECOND)
        await feed.close()
        assert sink.events == [FIRST]

    async def test_a_sink_that_hangs_costs_a_bounded_number_of_events(self) -> None:
        """Nobody waits for it, and when it comes back it goes on."""
        sink = Hung()
        feed = self.feed(sink)
        feed.offer(FIRST)
        await until(sink.hangs.is_set)
        for _ in range(MAXIMUM_WAITING + 5):
            feed.offer(SECOND)
        assert feed.told.lost == 5
        assert "hangs" in str(feed.told.fault)
        sink.released.set()
        await until(lambda: feed.told.recorded == MAXIMUM_WAITING + 1)
        await feed.close()
        assert sink.recorded == MAXIMUM_WAITING + 1

    async def test_a_sink_that_hangs_keeps_neither_scrapers_nor_the_end(self) -> None:
        """A few scrapers wait for it for a while, others are sent away at once, also later."""
        self.monkeypatch.setattr(feeds, "PATIENCE_S", 0.05)
        self.monkeypatch.setattr(feeds, "LAST_WORDS_S", 0.05)
        sink = Hung()
        feed = self.feed(sink)
        feed.offer(FIRST)
        await until(sink.hangs.is_set)
        first = [Deferred.fromCoroutine(feed.expose({}, "")) for _ in range(MAXIMUM_ASKING)]
        with pytest.raises(BusyError, match="already"):
            await feed.expose({}, "")
        for each in first:
            with pytest.raises(BusyError, match="longer than"):
                await each
        with pytest.raises(BusyError, match="already"):
            await feed.expose({}, "")
        await feed.close()
        sink.released.set()

    async def test_whatever_a_sink_raises_it_is_told_on(self) -> None:
        """Even what would end the program elsewhere."""
        sink = RecordingSink()
        feed = self.feed(sink)
        leave: Callable[..., Any] = SystemExit
        sink.failure = leave(3)
        feed.offer(FIRST)
        await until(lambda: feed.told.failed)
        sink.failure = None
        feed.offer(SECOND)
        await until(lambda: feed.told.recorded == 2)
        await feed.close()
        assert sink.events == [FIRST, SECOND]
