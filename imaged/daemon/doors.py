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
from imaged.daemon.health import Health
from imaged.fetch.budget import Budget, GiveUp
from imaged.logs.request_record import RequestRecord
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.process.ports import PUBLIC, STATUS
from imaged.profiling.profiles import Profiles
from imaged.statuspage.page_files import status_page, try_page
from imaged.statuspage.recent import RecentErrors
from imaged.store.usage import free
from imaged.web.bodies import Body
from imaged.web.connections import Connections
from imaged.web.debug import DebugSite
from imaged.web.hosts import check_allowed
from imaged.web.neighbours import Neighbours
from imaged.web.public import PublicSite
from imaged.web.requests import Door, ImagedFactory
from imaged.web.status import Outcome, Snapshot, StatusSite
from imaged.web.try_page import TryPage
from imaged.web.visits import PrivateVisits, PublicVisits

STATUS_BODY_BYTES = 65_536
"""The largest body that the status port reads."""


@dataclass(frozen=True)
class Doors:
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
    reload: Callable[[], Awaitable[Outcome]]
    profiles: Profiles

    def make(self, reactor: Any) -> dict[KeyPath, ImagedFactory]:
        """Return what makes the connections of each port."""
        neighbours = Neighbours(self.urls, lambda: self.pipeline().settings)
        doors = {PUBLIC: self._public(neighbours), STATUS: self._status(neighbours)}
        return {path: ImagedFactory(reactor, door) for path, door in doors.items()}

    def _public(self, neighbours: Neighbours) -> Door:
        """Return what serves images."""
        site = PublicSite(self.lease, self.counters.posting, self.health.send, self.health.admit)
        visits = PublicVisits(
            self.counters.requests,
            self.errors,
            record=self._record,
            write=self.write,
            now=lambda: datetime.now(UTC),
        )
        return Door(
            site.handle,
            lambda: self.pipeline().settings.sources.maximum_bytes,
            self.seconds,
            self.connections[PUBLIC],
            visits,
            lambda: self.pipeline().settings.status.timing_header,
            lambda announced, give_up: self._new_body(
                self.counters.incoming, self.pipeline().settings.sources.maximum_bytes, announced, give_up
            ),
            examine=site.examine,
            sharing=neighbours.headers,
        )

    def _status(self, neighbours: Neighbours) -> Door:
        """Return what serves operators."""
        site = StatusSite(
            self.snapshot,
            self.health.send,
            self.reload,
            lambda: self.pipeline().settings.status,
            self._expose,
            status_page(),
            TryPage(try_page(), neighbours),
            DebugSite(self.profiles),
        )
        return Door(
            site.handle,
            lambda: STATUS_BODY_BYTES,
            self.seconds,
            self.connections[STATUS],
            PrivateVisits(self.write),
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
