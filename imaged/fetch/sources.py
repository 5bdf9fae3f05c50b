"""Downloads originals by URL, behind the network guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004  # Twisted's own class

from imaged.core.activity import Activity
from imaged.core.errors import SourceFailedError, SourceTimeoutError
from imaged.core.formats import FORMATS, Formats
from imaged.core.source_urls import SourceUrl
from imaged.fetch.budget import Budget
from imaged.fetch.exchange import Exchange, Reply, Validators
from imaged.fetch.guard import Guard
from imaged.fetch.hashing_writer import Download, HashingWriter, ReceivedFile
from imaged.fetch.networks import Network
from imaged.fetch.resolver import Resolver

MayFollow = Callable[[SourceUrl], bool]


@dataclass(frozen=True)
class Fetched:
    """What a conditional fetch brought: a file, or None where the origin has the version that is known."""

    file: ReceivedFile | None
    validators: Validators


class Sources:
    """Downloads originals within the operator's bounds. Reactor thread only.

    `free_bytes` returns the free space on the disk of a folder.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        resolver: Resolver,
        timeout_s: float,
        maximum_bytes: int,
        maximum_redirects: int,
        allow_networks: Sequence[Network],
        user_agent: str,
        activity: Activity[Download],
        budget: Budget,
        free_bytes: Callable[[Path], int],
        formats: Formats = FORMATS,
    ) -> None:
        self._reactor = reactor
        self._timeout_s = timeout_s
        self._maximum_bytes = maximum_bytes
        self._maximum_redirects = maximum_redirects
        guard = Guard(reactor, resolver, timeout_s, allow_networks)
        self._exchange = Exchange(guard, user_agent, formats, reactor.callLater)
        self._activity = activity
        self._budget = budget
        self._free_bytes = free_bytes

    async def fetch(self, url: str, path: Path) -> ReceivedFile:
        """Write the original at `url` to the file `path` within the timeout, and return the file.

        After an error a part of it may remain at `path`: the caller removes it. Cancelling drops the connection.

        Raises MalformedRequestError for an invalid URL, SourceForbiddenError for a forbidden network, BusyError if too
        much is coming in, NotFoundError if the source answers 404 or 410, TooLargeError for too many bytes,
        SourceTimeoutError, SourceFailedError for other errors of the source, and StoreError for errors of the disk.
        """
        file, _ = await self._get(SourceUrl.parse(url), path, {}, lambda _url: True)
        return file

    async def fetch_changed(
        self, source: SourceUrl, path: Path, headers: Mapping[str, str], known: Validators, may_follow: MayFollow
    ) -> Fetched:
        """Write the original at a URL to the file `path`, unless it is still in the `known` version.

        `headers` are sent, too. It follows redirects to URLs that `may_follow` allows. Raises as `fetch`.
        """
        file, reply = await self._get(source, path, {**headers, **known.conditions}, may_follow)
        return Fetched(None if reply.is_unchanged else file, reply.validators)

    async def _get(
        self, source: SourceUrl, path: Path, headers: Mapping[str, str], may_follow: MayFollow
    ) -> tuple[ReceivedFile, Reply]:
        with (
            closing(self._budget.reserve(self._maximum_bytes, self._free_bytes(path.parent))) as reservation,
            HashingWriter(path, self._maximum_bytes, reservation.take) as intake,
            self._activity.track(Download(source.without_query, intake)),
        ):
            try:
                following = Deferred.fromCoroutine(self._follow(source, intake, headers, may_follow))
                reply = await following.addTimeout(self._timeout_s, self._reactor)
            except TimeoutError as error:
                reason = f"{source.host} took longer than {self._timeout_s:g} seconds: try again later"
                raise SourceTimeoutError(reason) from error
            return intake.received(), reply

    async def _follow(
        self, source: SourceUrl, intake: HashingWriter, headers: Mapping[str, str], may_follow: MayFollow
    ) -> Reply:
        url = source
        for _ in range(self._maximum_redirects + 1):
            reply = await self._exchange.get(url, intake, headers)
            if reply.redirect is None:
                return reply
            url = reply.redirect
            if not may_follow(url):
                raise SourceFailedError(
                    f"{source.host} redirects to {url.without_query}, which is not below the URL of the origin: "
                    "change that URL in the settings"
                )
        raise SourceFailedError(f"{source.host} redirects more than {self._maximum_redirects} times: give the last URL")
