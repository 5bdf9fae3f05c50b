"""A test case that downloads from origins on loopback, with bounds that a test can change."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from origin import Answer, Origin
from twisted.internet import reactor, task
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from imaged.core.activity import Activity
from imaged.core.errors import ImagedError
from imaged.fetch.budget import Budget
from imaged.fetch.hashing_writer import ReceivedFile
from imaged.fetch.resolver import Resolver
from imaged.fetch.sources import Download, Sources
from imaged.store.usage import free


class Fetching(TestCase):
    """Downloads from an origin on loopback. Trial fails a test that leaves a socket, a call or a logged error."""

    timeout = 30

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "original"

    def setUp(self) -> None:
        """Count from zero."""
        self.activity: Activity[Download] = Activity(reactor.seconds)

    def origin(self, *answers: Answer, **options: Any) -> Origin:
        """Start an origin that ends with the test."""
        origin = Origin(*answers, **options)
        self.addCleanup(origin.port.stopListening)
        return origin

    def sources(self, **changes: Any) -> Sources:
        """Return sources with these bounds."""
        settings: dict[str, Any] = {
            "resolver": Resolver(reactor),
            "timeout_s": 10.0,
            "maximum_bytes": 1 << 20,
            "maximum_redirects": 5,
            "allow_networks": [ip_network("127.0.0.1/32")],
            "user_agent": "imaged/2",
            "activity": self.activity,
            "budget": Budget(reactor.seconds),
            "free_bytes": free,
        }
        return Sources(reactor, **{**settings, **changes})

    def fetch(self, url: str, **changes: Any) -> Deferred[ReceivedFile]:
        """Download `url` with these bounds."""
        return Deferred.fromCoroutine(self.sources(**changes).fetch(url, self.path))

    async def refused(self, error: type[ImagedError], source: Answer | str, **changes: Any) -> str:
        """Expect `error` exactly, and return its message."""
        url = source if isinstance(source, str) else self.origin(source).url
        with pytest.raises(ImagedError) as caught:
            await self.fetch(url, **changes)
        assert caught.type is error, caught.value
        return str(caught.value)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition; the test's timeout ends an endless wait."""
    while not condition():
        await task.deferLater(reactor, 0.005, lambda: None)


async def expect_cancelled(fetching: Deferred[ReceivedFile]) -> None:
    """Fail unless it was cancelled."""
    with pytest.raises(CancelledError):
        await fetching
