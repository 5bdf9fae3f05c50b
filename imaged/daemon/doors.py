"""What stands behind each port, whatever generation it is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from imaged.config.faults import KeyPath
from imaged.core.events import RequestAnswered
from imaged.core.recent import RecentErrors
from imaged.daemon.health import Health
from imaged.daemon.ports import PUBLIC, STATUS
from imaged.pipeline.counters import Counters
from imaged.pipeline.pipeline import Pipeline
from imaged.web.connections import Connections
from imaged.web.neighbours import Neighbours
from imaged.web.public import PublicSite
from imaged.web.requests import Door
from imaged.web.status import StatusSite
from imaged.web.visits import PrivateVisits, PublicVisits, Visit

STATUS_BODY_BYTES = 65_536
"""The largest body that the status port reads."""


@dataclass(frozen=True)
class Doors:
    """Makes the doors. `pipeline` returns the newest, `lease` holds it, `write` writes lines."""

    pipeline: Callable[[], Pipeline]
    lease: Callable[[], AbstractContextManager[Pipeline]]
    counters: Counters
    errors: RecentErrors
    health: Health
    connections: Mapping[KeyPath, Connections]
    write: Callable[[Visit], None]
    neighbours: Neighbours
    seconds: Callable[[], float]

    def public(self) -> Door:
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
            self.neighbours.headers,
        )

    def status(self, site: StatusSite) -> Door:
        """Return what serves operators."""
        return Door(
            site.handle,
            lambda: STATUS_BODY_BYTES,
            self.seconds,
            self.connections[STATUS],
            PrivateVisits(self.write),
            lambda: False,
        )

    def _record(self, event: RequestAnswered) -> None:
        self.pipeline().metrics.record(event)
