"""The health check for load balancers: whether a client could get a new output.

A daemon whose store is full or read-only is healthy: it serves all that is stored, and renders the rest.
"""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from twisted.logger import Logger
from twisted.web.http import Request

from imaged.config.images import ImagePolicy
from imaged.core.errors import (
    BusyError,
    DiskFullError,
    ImagedError,
    NoWorkerError,
    OutOfTimeError,
    ReadOnlyError,
    StoreError,
)
from imaged.core.formats import FORMATS
from imaged.core.outputs import parse
from imaged.hooks.host import RunInThread
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.store_health import StoreHealth
from imaged.store.disk import keeping
from imaged.store.local import LocalStore
from imaged.web.answers import send_text
from imaged.web.errors import send_error
from imaged.workers.engine import Engine

PROBE_EVERY_S = 10.0
"""How often the store and a processor are tried; a trial takes a few milliseconds."""

RETRY_EVERY_S = 1.0
"""How often a store that takes no files is tried, so that it is used soon after there is room."""

PROBE_TIMEOUT_S = 10.0

HANGS_S = 2 * PROBE_TIMEOUT_S
"""A trial that takes longer than this hangs, and so would requests of clients."""

_HANG = "the store or the worker threads hang"
_NO_WORKER = "no worker process can be started"

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)
"""A grey PNG of one pixel."""


@dataclass
class _Trial:
    """One trial of a pipeline, and its start by a monotonic clock."""

    pipeline: Pipeline
    began_s: float
    is_logged: bool = False
    """Whether the log says that it hangs."""


class Health:
    """Answers `/status_check`. Reactor thread only.

    `pipeline` returns that of the current generation, `saves` notes how its store takes files, and `seconds` is a
    monotonic clock.
    """

    _log = Logger()

    def __init__(
        self, run: RunInThread, pipeline: Callable[[], Pipeline], saves: StoreHealth, seconds: Callable[[], float]
    ) -> None:
        self._run = run
        self._saves = saves
        self._pipeline = pipeline
        self._seconds = seconds
        self._fault: str | None = None
        self._trial: _Trial | None = None
        self._retries = False
        self.draining = False
        self.refuses_from_s = math.inf

    @property
    def message(self) -> str:
        """`OK`, or what is wrong."""
        if self.draining:
            return "draining"
        if self._hangs:
            return _HANG
        if self._fault is None and self._pipeline().engine.workers.stuck:
            return "every render thread is stuck"
        return self._fault or "OK"

    @property
    def _hangs(self) -> bool:
        return self._trial is not None and self._seconds() - self._trial.began_s > HANGS_S

    def send(self, request: Request) -> None:
        """Answer 200 `OK`, or 503 and the reason."""
        if self.message == "OK":
            send_text(request, "OK")
        else:
            send_error(request, BusyError(self.message, retry_after_s=30))

    def check_running(self, began_s: float) -> None:
        """Raise BusyError for a request that began after `refuses_from_s`, when the shutdown began."""
        if began_s >= self.refuses_from_s:
            raise BusyError("this server is shutting down: try again", retry_after_s=5)

    def probe(self) -> None:
        """Start a trial of the store and a processor, unless one of this generation is running."""
        pipeline = self._pipeline()
        if self._trial is not None and self._hangs and not self._trial.is_logged:
            self._trial.is_logged = True
            self._log.error(
                "{fault}, so the health check answers 503: a trial of the store and of a processor has not ended for "
                "{elapsed_s:.0f} s; look at the file system of {store}",
                fault=_HANG,
                elapsed_s=self._seconds() - self._trial.began_s,
                store=str(self._trial.pipeline.store.root),
            )
        if self._trial is None or self._trial.pipeline is not pipeline:
            self._trial = _Trial(pipeline, self._seconds())
            pipeline.tasks.own(self._probe(self._trial))  # it has a file in the store, which closes after it

    async def _probe(self, trial: _Trial) -> None:
        engine, store = trial.pipeline.engine, trial.pipeline.store
        fault = await self._try("the store takes no files", self._try_store(store))
        if fault is None:
            fault = await self._try("no processor works", self._render_in_store(engine, store))
        if trial is not self._trial:
            return  # a trial of a newer generation has begun
        past = _HANG if trial.is_logged else self._fault
        if past and not fault:
            self._log.info("the health check answers 200 again; the fault was: {fault}", fault=past)
        self._fault, self._trial = fault, None

    async def _try(self, fault: str, work: Awaitable[None]) -> str | None:
        """Return None when `work` succeeds; else log the reason, and return `fault`, or _NO_WORKER.

        One pixel that takes all the time of a trial is a fault, too: the processor hangs.
        """
        try:
            await work
        except Exception as error:  # a broken processor may raise anything
            if isinstance(error, NoWorkerError):
                fault = _NO_WORKER
            elif isinstance(error, BusyError) and not isinstance(error, OutOfTimeError):
                return None  # not a fault: one hostile picture must not take the daemon out of its load balancer
            if self._fault != fault and isinstance(error, ImagedError):
                self._log.error("{fault}, so the health check answers 503: {error}", fault=fault, error=error)
            elif self._fault != fault:
                self._log.failure("{fault}, so the health check answers 503", fault=fault)
            return fault
        return None

    def retry_store(self) -> None:
        """Try the store if it takes no files, or if one was not kept, unless a trial is running."""
        pipeline = self._pipeline()
        if (self._saves.error is not None or self._saves.has_failed) and self._trial is None and not self._retries:
            self._retries, self._saves.has_failed = True, False
            pipeline.tasks.own(self._retry(pipeline.store))

    async def _retry(self, store: LocalStore) -> None:
        try:
            with suppress(StoreError):  # the next trial reports it
                await self._try_store(store)
        finally:
            self._retries = False

    async def _try_store(self, store: LocalStore) -> None:
        """Try the store, and note how it takes files. Raises StoreError when it is neither full nor read-only."""
        error = self._saves.tried(await self._run(store.try_places))
        if error is not None:
            raise error

    async def _render_in_store(self, engine: Engine, store: LocalStore) -> None:
        """Render a picture in a folder of the store, so that the trial needs the same access as renders for clients.

        While the store takes no files, the picture is in memory, or not rendered where the system has no such files.
        """
        try:
            with store.temporary() as source:
                with keeping("a picture of one pixel"):
                    await self._run(source.write_bytes, PIXEL)
                await render_pixel(engine, source)
        except (DiskFullError, ReadOnlyError):
            if hasattr(os, "memfd_create"):
                with os.fdopen(os.memfd_create("pixel", os.MFD_CLOEXEC), "wb", buffering=0) as file:
                    file.write(PIXEL)
                    await render_pixel(engine, Path(f"/proc/{os.getpid()}/fd/{file.fileno()}"))


async def render_pixel(engine: Engine, source: Path) -> None:
    """Render `source`, a file of PIXEL. Raises any error."""
    await engine.try_out(source, ImagePolicy().resolve(parse("x1.jpg"), FORMATS))
