"""What stands behind each port, whatever generation it is in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from imaged.config.faults import KeyPath
from imaged.core.events import RequestAnswered, RequestFailed
from imaged.core.snapshot import Reload, Snapshot
from imaged.daemon.health import Health
from imaged.fetch.budget import Budget, GiveUp
from imaged.logs.request_record import RequestRecord
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.process.ports import PUBLIC, STATUS
from imaged.profiling.profiles import Profiles
from imaged.statuspage.page import status_page, try_page
from imaged.statuspage.recent import RecentErrors
from imaged.store.usage import free
from imaged.web.bodies import Body
from imaged.web.connections import Connections
from imaged.web.cors import CorsPolicy
from imaged.web.debug import DebugSite
from imaged.web.hosts import check_allowed
from imaged.web.public import PublicSite
from imaged.web.request_log import PublicRequestLog, StatusRequestLog
from imaged.web.requests import ImagedFactory, Site
from imaged.web.status import StatusSite
from imaged.web.try_page import TryPage

STATUS_BODY_BYTES = 65_536
"""The largest body that the status port reads."""


@dataclass(frozen=True)
class Sites:
    """Makes the doors. `pipeline` returns the newest, `lease` holds it, `write` writes the line of a request.

    `urls` returns those of the two ports, `seconds` is a clock that never goes back; the rest is what the status port
    shows and does.
    """

    pipeline: Callable[[], Pipeline]
    lease: Callable[[], AbstractContextManager[Pipeline]]
    counters: Counters
    errors: RecentErrors
    health: Health
    connections: Mapping[KeyPath, Connections]
    write: Callable[[RequestRecord], None]
    urls: Callable[[], tuple[str | None, str | None]]
    seconds: Callable[[], float]
    snapshot: Callable[[], Awaitable[Snapshot]]
    reload: Callable[[], Awaitable[tuple[Reload, int]]]
    profiles: Profiles

    def make(self, reactor: Any) -> dict[KeyPath, ImagedFactory]:
        """Return what makes the connections of each port."""
        cors = CorsPolicy(self.urls, lambda: self.pipeline().settings)
        sites = {PUBLIC: self._public(cors), STATUS: self._status(cors)}
        return {path: ImagedFactory(reactor, site) for path, site in sites.items()}

    def _public(self, cors: CorsPolicy) -> Site:
        """Return what serves images."""
        site = PublicSite(self.lease, self.counters.posting, self.health.send, self.health.admit)
        request_log = PublicRequestLog(
            self.counters.requests,
            self.errors,
            record=self._record,
            write=self.write,
            now=lambda: datetime.now(UTC),
        )
        return Site(
            site.handle,
            lambda: self.pipeline().settings.sources.maximum_bytes,
            self.seconds,
            self.connections[PUBLIC],
            request_log,
            lambda: self.pipeline().settings.status.timing_header,
            lambda announced, give_up: self._new_body(
                self.counters.incoming, self.pipeline().settings.sources.maximum_bytes, announced, give_up
            ),
            examine=site.examine,
            sharing=cors.headers,
        )

    def _status(self, cors: CorsPolicy) -> Site:
        """Return what serves operators."""
        site = StatusSite(
            self.snapshot,
            self.health.send,
            self.reload,
            lambda: self.pipeline().settings.status,
            self._expose,
            status_page(),
            TryPage(try_page(), cors),
            DebugSite(self.profiles),
        )
        return Site(
            site.handle,
            lambda: STATUS_BODY_BYTES,
            self.seconds,
            self.connections[STATUS],
            StatusRequestLog(self.write),
            lambda: False,
            partial(self._new_body, Budget(self.seconds), STATUS_BODY_BYTES),
            examine=lambda request, _: check_allowed(request, self.pipeline().settings.status.allow_hosts),
            private=True,
        )

    def _new_body(self, budget: Budget, maximum_bytes: int, announced_bytes: int, give_up: GiveUp) -> Body:
        """Return the place of a body that comes. Raises BusyError or StoreError when there is none."""
        store = self.pipeline().store
        reservation = budget.reserve(maximum_bytes, free(store.root), announced_bytes, give_up)
        return Body(reservation, lambda: store.new_temporary().parent)

    def _record(self, event: RequestAnswered | RequestFailed) -> None:
        self.pipeline().metrics.record(event)

    async def _expose(self, accept: str) -> tuple[str, bytes] | None:
        snapshot = await self.snapshot()  # a reload may come meanwhile, and ends the sinks before it
        return await self.pipeline().metrics.expose(snapshot, accept)
