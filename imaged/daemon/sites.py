"""The sites behind the two ports: each asks the current generation for its settings, whenever they matter."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from time import time

from imaged.core.events import RequestAnswered, RequestFailed
from imaged.core.snapshot import Reload
from imaged.daemon.generations import Generations
from imaged.daemon.service import Service
from imaged.fetch.budget import Budget, GiveUp
from imaged.process.endpoints import PUBLIC, STATUS
from imaged.statuspage.page import status_page, try_page
from imaged.web.bodies import Body
from imaged.web.cors import CorsPolicy
from imaged.web.debug import DebugSite
from imaged.web.file_answers import FileAnswers
from imaged.web.hosts import check_allowed
from imaged.web.public import PublicSite
from imaged.web.read_guard import ReadGuard
from imaged.web.request_log import PublicRequestLog, StatusRequestLog
from imaged.web.requests import Site
from imaged.web.status import StatusSite
from imaged.web.try_page import TryPage
from imaged.web.writes import guard_writes, upload_limit_bytes

STATUS_BODY_BYTES = 65_536
"""The largest body that the status port reads."""


def public_site(service: Service) -> Site:
    """Return the site that serves images."""
    generations, health, counters = service.generations, service.health, service.environment.counters

    def record(event: RequestAnswered | RequestFailed) -> None:
        generations.pipeline.metrics.record(event)

    def most_bytes() -> int:
        return generations.pipeline.settings.sources.maximum_bytes

    def new_body(announced_bytes: int, give_up: GiveUp) -> Body:
        return _new_body(generations, counters.incoming, most_bytes(), announced_bytes, give_up)

    cors, reads, clients = _cors(service), ReadGuard(time), service.connections[PUBLIC].clients
    site = PublicSite(
        lambda: generations.pipeline,
        generations.lease,
        counters.posting,
        health.send,
        health.check_running,
        FileAnswers(reads, clients),
        clients,
        cors.preflight,
        guards=[reads, guard_writes(time)],
    )
    return Site(
        site.handle,
        lambda request: upload_limit_bytes(request.uri, most_bytes()),
        service.environment.reactor.seconds,
        service.connections[PUBLIC],
        PublicRequestLog(
            counters.requests, service.collector.errors, record, service.logs.write_request, lambda: datetime.now(UTC)
        ),
        lambda: generations.pipeline.settings.status.timing_header,
        new_body,
        examine=site.examine,
        answer_at_once=site.answer_at_once,
        sharing=cors.headers,
    )


def status_site(service: Service) -> Site:
    """Return the site that serves operators."""
    generations, seconds = service.generations, service.environment.reactor.seconds

    async def reload() -> tuple[Reload, int]:
        return await service.reload(), generations.current.number

    async def expose(accept: str) -> tuple[str, bytes] | None:
        figures = await service.snapshot()  # before the sinks are looked up: a reload meanwhile replaces them
        return await generations.pipeline.metrics.expose(figures, accept)

    site = StatusSite(
        service.snapshot,
        service.health.send,
        reload,
        lambda: generations.pipeline.settings.status,
        expose,
        status_page(),
        TryPage(try_page(), _cors(service)),
        DebugSite(service.profiles),
    )
    return Site(
        site.handle,
        lambda _: STATUS_BODY_BYTES,
        seconds,
        service.connections[STATUS],
        StatusRequestLog(service.logs.write_request),
        lambda: False,
        partial(_new_body, generations, Budget(seconds), STATUS_BODY_BYTES),
        examine=lambda request, _: check_allowed(request, generations.pipeline.settings.status.allow_hosts),
        private=True,
    )


def _cors(service: Service) -> CorsPolicy:
    return CorsPolicy(lambda: service.ports.urls, lambda: service.generations.pipeline.settings)


def _new_body(
    generations: Generations, budget: Budget, maximum_bytes: int, announced_bytes: int, give_up: GiveUp
) -> Body:
    """Reserve room for a body that is about to arrive. Raises BusyError or DiskFullError when there is none."""
    store, bound = generations.pipeline.store, generations.pipeline.renders.shared.counters.bound
    reservation = budget.reserve(maximum_bytes, bound.room_bytes(store.root), announced_bytes, give_up)
    return Body(reservation, lambda: store.new_temporary().parent)
