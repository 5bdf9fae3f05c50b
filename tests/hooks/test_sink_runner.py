"""SinkRunner calls a sink on the sink's own thread; a sink that fails or hangs delays nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from service_case import until
from snapshots import QUIET
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from imaged.core.errors import BusyError, PluginFailedError
from imaged.core.events import Event, RequestFailed, Uploaded
from imaged.core.snapshot import Snapshot
from imaged.hooks import sink_runner
from imaged.hooks.boundary import FAULT_CHARACTERS
from imaged.hooks.sink_runner import MAXIMUM_SCRAPES, MAXIMUM_WAITING, SinkRunner
from imaged.testing.fakes import RecordingSink
from imaged.workers.threads import Threads

FIRST, SECOND = RequestFailed("p", "jpg", 404), Uploaded("p", 81_234, 0.5)


class Sink(RecordingSink):
    """A sink that sends its number of events often, and exposes it; while `failure` is set, it raises that."""

    flush_every_s = 0.02

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []
        self.threads: set[int] = set()

    def record(self, event: Event) -> None:
        """Note the event and the thread."""
        self.threads.add(threading.get_ident())
        super().record(event)

    def flush(self) -> None:
        """Send the number."""
        self.threads.add(threading.get_ident())
        if self.failure is not None:
            raise self.failure
        self.sent.append(len(self.events))

    def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        """Return the number."""
        self.threads.add(threading.get_ident())
        if self.failure is not None:
            raise self.failure
        return accept, f"{snapshot.message} {len(self.events)}".encode()


class HangingSink:
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

    def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:  # noqa: ARG002  # as above
        """Return the number of events."""
        return "text/plain", str(self.recorded).encode()


class UnspeakableError(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class TestSinkRunner(TestCase):
    """On real threads."""

    timeout = 30

    @pytest.fixture(autouse=True)
    def _take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def run_sink(self, sink: Any) -> SinkRunner:
        """Return a runner whose sink gets a thread of its own, which ends with the test."""
        runner = SinkRunner("mine", sink, reactor, Threads(reactor, "sink", 1))
        self.addCleanup(lambda: Deferred.fromCoroutine(runner.close()))
        return runner

    async def test_events_reach_the_sink_in_order(self) -> None:
        """The sink gets them without a further call of the runner."""
        sink = RecordingSink()
        runner = self.run_sink(sink)
        runner.record(FIRST)
        runner.record(SECOND)
        await until(lambda: runner.status.recorded == 2)
        assert sink.events == [FIRST, SECOND]
        assert (runner.status.failed, runner.status.lost, runner.status.fault) == (0, 0, None)

    async def test_every_call_is_on_one_thread(self) -> None:
        """It is not the reactor's."""
        sink = Sink()
        runner = self.run_sink(sink)
        runner.record(FIRST)
        await runner.expose(QUIET, "")
        await until(lambda: sink.sent)
        assert len(sink.threads) == 1
        assert threading.get_ident() not in sink.threads

    async def test_a_sink_that_raises_gets_the_next_event(self) -> None:
        """Even an error that would end the program elsewhere does not end the thread."""
        sink = RecordingSink()
        runner = self.run_sink(sink)
        leave: Callable[..., Any] = SystemExit
        sink.failure = OSError("no route")
        runner.record(FIRST)
        await until(lambda: runner.status.failed == 1)
        assert runner.status.fault == "OSError: no route"
        sink.failure = leave(3)
        runner.record(SECOND)
        await until(lambda: runner.status.failed == 2)
        sink.failure = None
        runner.record(SECOND)
        await until(lambda: runner.status.recorded == 3)
        assert sink.events == [FIRST, SECOND, SECOND]
        assert runner.status.fault is None

    async def test_a_coroutine_is_a_failure(self) -> None:
        """An asynchronous `record` or `flush` has done nothing, and `flush` returns True, False or None."""

        class Asynchronous(RecordingSink):
            flush_every_s = 0.02

            async def record(self, event: Event) -> None: ...  # type: ignore[override]  # the fault

            def flush(self) -> Any:
                return "sent"

        runner = self.run_sink(Asynchronous())
        runner.record(FIRST)
        await until(lambda: runner.status.failed and runner.status.flushes_failed)
        runner.record(FIRST)
        await until(lambda: runner.status.failed == 2)
        assert str(runner.status.fault).startswith("TypeError: ")

    async def test_a_sink_flushes_periodically(self) -> None:
        """It also flushes without events; a flush that fails is a fault until one succeeds."""
        sink = Sink()
        runner = self.run_sink(sink)
        await until(lambda: len(sink.sent) >= 2)
        runner.record(FIRST)
        await until(lambda: sink.sent[-1] == 1)
        sink.failure = OSError("refused")
        await until(lambda: runner.status.flushes_failed)
        assert (runner.status.fault, runner.status.failed) == ("OSError: refused", 0)
        sink.failure = None
        await until(lambda: runner.status.fault is None)

    async def test_a_flush_that_sends_nothing_does_not_end_a_fault(self) -> None:
        """It returns False."""

        class Resting(RecordingSink):
            flush_every_s = 0.02
            rests = 0

            def flush(self) -> bool:
                if self.failure is not None:
                    raise self.failure
                self.rests += 1
                return False

        sink = Resting()
        sink.failure = OSError("no route")
        runner = self.run_sink(sink)
        await until(lambda: runner.status.flushes_failed)
        sink.failure = None
        await until(lambda: sink.rests > 1)
        assert runner.status.fault == "OSError: no route"

    async def test_a_fault_is_one_short_line(self) -> None:
        """Whatever text the error has."""
        sink = RecordingSink()
        runner = self.run_sink(sink)
        failures = (UnspeakableError(), OSError("no\nroute " * 5000), OSError("\udcff"))
        for number, failure in enumerate(failures, 1):
            sink.failure = failure
            runner.record(FIRST)
            await until(lambda: runner.status.failed == number)  # noqa: B023  # awaited in this turn of the loop
            fault = str(runner.status.fault)
            assert fault.startswith(type(failure).__name__)
            assert len(fault) <= FAULT_CHARACTERS
            assert "\n" not in fault
            fault.encode()

    async def test_a_sink_without_a_thread_is_a_fault(self) -> None:
        """A machine that has no threads left does not keep the daemon from its work."""
        threads = Threads(reactor, "sink", 1)

        def refuse(*_: Any, **__: Any) -> Any:
            raise RuntimeError("can't start new thread")

        threads.run = refuse  # type: ignore[method-assign]  # of this one alone
        runner = SinkRunner("mine", RecordingSink(), reactor, threads)
        runner.record(FIRST)
        assert runner.status.fault == "RuntimeError: can't start new thread"
        await runner.close()

    async def test_exposed_figures_include_every_event(self) -> None:
        """The sink gets the snapshot and the scraper's header."""
        runner = self.run_sink(Sink())
        runner.record(FIRST)
        assert await runner.expose(QUIET, "text/plain") == ("text/plain", b"OK 1")

    async def test_two_scrapes_at_once_get_an_answer_each(self) -> None:
        """Prometheus servers come in pairs."""
        runner = self.run_sink(Sink())
        both = [Deferred.fromCoroutine(runner.expose(QUIET, name)) for name in ("a", "b")]
        assert [await each for each in both] == [("a", b"OK 0"), ("b", b"OK 0")]

    async def test_what_is_not_a_page_is_a_fault_of_the_plugin(self) -> None:
        """The scrape ends at once, and the next one may succeed."""

        class Strange(RecordingSink):
            page: Any = None

            def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:  # noqa: ARG002  # the contract
                if isinstance(self.page, BaseException):
                    raise self.page
                page: tuple[str, bytes] = self.page
                return page

        sink = Strange()
        runner = self.run_sink(sink)
        pages = (SystemExit(3), UnspeakableError(), None, "text", ("a\r\nb", b""), (b"text/plain", b""))
        for page in pages:
            sink.page = page
            with pytest.raises(PluginFailedError):
                await runner.expose(QUIET, "")
        assert (runner.status.scrapes_failed, runner.status.failed) == (6, 0)
        assert runner.status.fault == "TypeError: expose returned tuple, not a pair of str and bytes"
        sink.page = ("text/plain", b"all")
        assert await runner.expose(QUIET, "") == sink.page
        assert runner.status.fault is None

    async def test_a_closed_runner_refuses_scrapes_at_once(self) -> None:
        """Its thread would never answer."""
        for end in (SinkRunner.close, SinkRunner.discard):
            runner = self.run_sink(Sink())
            if (ending := end(runner)) is not None:
                await ending
            with pytest.raises(BusyError, match="closed"):
                await runner.expose(QUIET, "")

    async def test_close_records_and_sends_what_waits(self) -> None:
        """Events that come later are lost."""
        sink = Sink()
        runner = self.run_sink(sink)
        runner.record(FIRST)
        await runner.close()
        assert (sink.events, sink.sent[-1]) == ([FIRST], 1)
        runner.record(SECOND)
        await runner.close()
        assert (sink.events, runner.status.lost) == ([FIRST], 1)

    async def test_a_sink_that_hangs_costs_a_bounded_number_of_events(self) -> None:
        """When the call returns, the sink gets what waited."""
        sink = HangingSink()
        runner = self.run_sink(sink)
        runner.record(FIRST)
        await until(sink.hangs.is_set)
        for _ in range(MAXIMUM_WAITING + 5):
            runner.record(SECOND)
        assert runner.status.lost == 5
        assert "hangs" in str(runner.status.fault)
        sink.released.set()
        await until(lambda: runner.status.recorded == MAXIMUM_WAITING + 1)
        await until(lambda: runner.status.fault is None)
        assert sink.recorded == MAXIMUM_WAITING + 1

    async def test_a_sink_that_hangs_holds_up_neither_scrapes_nor_the_end(self) -> None:
        """A few scrapes wait for a while; further ones are refused at once."""
        self.monkeypatch.setattr(sink_runner, "EXPOSE_TIMEOUT_S", 0.05)
        self.monkeypatch.setattr(sink_runner, "CLOSE_TIMEOUT_S", 0.05)
        sink = HangingSink()
        runner = self.run_sink(sink)
        runner.record(FIRST)
        await until(sink.hangs.is_set)
        first = [Deferred.fromCoroutine(runner.expose(QUIET, "")) for _ in range(MAXIMUM_SCRAPES)]
        with pytest.raises(BusyError, match="already"):
            await runner.expose(QUIET, "")
        for each in first:
            with pytest.raises(BusyError, match="longer than"):
                await each
        with pytest.raises(BusyError, match="already"):
            await runner.expose(QUIET, "")
        await runner.close()
        assert runner.hangs
        sink.released.set()
