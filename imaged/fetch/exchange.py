"""One GET on its own connection, and the meaning of its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.web._newclient import Request
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.http import stringToDatetime
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from imaged.core.errors import NotFoundError, SourceFailedError
from imaged.core.formats import Formats
from imaged.core.hashes import shorten
from imaged.core.source_urls import SourceUrl
from imaged.fetch.codings import Unpacking
from imaged.fetch.connection import CONNECTION_FAILURES, SourceConnection, translate
from imaged.fetch.guard import Guard
from imaged.fetch.hashing_writer import HashingWriter
from imaged.fetch.response_body import ResponseBody

_SUCCESS = (200, 203)  # RFC 9110, 15.3.4: 203 says that a proxy changed something
_PARTIAL = 206
_REDIRECTS = (301, 302, 303, 307, 308)
_CHOICE = 300  # RFC 9110, 15.4.1: with a Location it is a redirect
_GONE = (404, 410)
_UNCHANGED = 304
_WHOLE = re.compile(rb"bytes 0-(\d{1,18})/(\d{1,18})")
_ACCEPT = "image/*, */*;q=0.8"
"""As browsers send it: some sources answer 406 without `*/*`. It names no format, so that no source converts for us."""


SETTLED_S = 60
"""How old a Last-Modified must be: the clocks of a file server and of a web server may differ."""

_TEXT = re.compile(rb"[!-~]([ -~]{0,498}[!-~])?")
"""The validators that are kept: printable ASCII, and not too long."""


@dataclass(frozen=True)
class Validators:
    """What an origin says about the version of an original, "" for nothing (RFC 9110, 8.8)."""

    etag: str = ""
    last_modified: str = ""

    @property
    def conditions(self) -> dict[str, str]:
        """The headers of a request that wants the original only in another version."""
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Reply:
    """What a GET resulted in: a body, the URL of a redirect, or `is_unchanged` where the conditions did not hold."""

    redirect: SourceUrl | None = None
    is_unchanged: bool = False
    validators: Validators = Validators()


class Exchange:
    """GETs URLs without cookies, proxies and kept connections."""

    def __init__(self, guard: Guard, user_agent: str, formats: Formats, call_later: Callable[..., Any]) -> None:
        self._guard = guard
        self._call_later = call_later
        self._headers = {"User-Agent": [user_agent], "Accept": [_ACCEPT], "Accept-Encoding": ["identity"]}
        self._formats = formats
        self._tls = BrowserLikePolicyForHTTPS()

    async def get(self, url: SourceUrl, intake: HashingWriter, headers: Mapping[str, str]) -> Reply:
        """Write the body of a success to `intake`, and return what came. `headers` are further ones of the request.

        Drops the connection at the end. Raises NotFoundError for 404 and 410, SourceFailedError for any other answer or
        none, and what the guard and `intake` raise.
        """
        connection: SourceConnection | None = None
        try:
            connection = await self._connect(url)
            response = await connection.request(self._request(url, headers))
            connection.answered = True
            if response.code in _REDIRECTS or (response.code == _CHOICE and response.headers.hasHeader(b"Location")):
                return Reply(redirect=_redirect(url, response))
            if response.code == _UNCHANGED and headers.keys() & {"If-None-Match", "If-Modified-Since"}:
                return Reply(is_unchanged=True, validators=_validators(response))
            _check(url, response)
            await self._read(url, connection, response, intake)
        except CONNECTION_FAILURES as error:
            raise translate(url.host, error) from error
        finally:
            if connection is not None:
                connection.drop()
        return Reply(validators=_validators(response))

    async def _connect(self, url: SourceUrl) -> SourceConnection:
        endpoint: Any = await self._guard.endpoint(url.host, url.port)
        if url.scheme == "https":
            try:
                creator = self._tls.creatorForNetloc(url.host.encode("ascii"), url.port)
            except UnicodeError as error:
                raise SourceFailedError(f"{url.host} can have no certificate: IDNA knows no such name") from error
            endpoint = wrapClientTLS(creator, endpoint)
        connection: SourceConnection = await endpoint.connect(Factory.forProtocol(SourceConnection))
        return connection

    async def _read(self, url: SourceUrl, connection: SourceConnection, response: Any, intake: HashingWriter) -> None:
        if response.length != UNKNOWN_LENGTH:
            intake.expect(response.length)
        unpacking = Unpacking(response.headers.getRawHeaders(b"Content-Encoding", []), self._formats)

        def write(chunk: bytes) -> Iterator[int]:
            for piece in unpacking.unpack(chunk):
                intake.write(piece)
                yield len(piece)

        body = ResponseBody(write, self._call_later)
        response.deliverBody(body)
        complete = await body.ended
        if not complete and connection.broken:  # the connection's end marks the body's end, and it broke
            raise SourceFailedError(f"{url.host} closed the connection in the middle of the original: try again later")
        intake.write_all(unpacking.finish())

    def _request(self, url: SourceUrl, further: Mapping[str, str]) -> Request:
        """Return the request that Twisted's Agent would make, with the target unchanged.

        Agent splits a URL and joins it again: on Python 3.13 that turns `//a.jpg` into `////a.jpg`.
        """
        given = {name: [value] for name, value in further.items()}
        headers = Headers({**self._headers, **given, "Host": [url.netloc]})
        return Request(b"GET", url.target.encode("ascii"), headers, bodyProducer=None, persistent=False)


def _validators(response: Any) -> Validators:
    etag, modified, date = (_text(response, name) for name in (b"ETag", b"Last-Modified", b"Date"))
    return Validators(etag, modified if _is_settled(modified, date) else "")


def _text(response: Any, name: bytes) -> str:
    values = response.headers.getRawHeaders(name, [])
    return values[0].decode() if len(values) == 1 and _TEXT.fullmatch(values[0]) else ""


def _is_settled(modified: str, date: str) -> bool:
    """Return whether a Last-Modified tells versions apart: its second was long over when the origin answered.

    A file that changes twice within a second has one Last-Modified for both (RFC 9110, 8.8.2.2).
    """
    try:
        age_s: int = stringToDatetime(date.encode()) - stringToDatetime(modified.encode())
    except (ValueError, IndexError):  # no dates
        return False
    return age_s >= SETTLED_S


def _redirect(url: SourceUrl, response: Any) -> SourceUrl:
    locations = set(response.headers.getRawHeaders(b"Location", []))
    if len(locations) != 1 or b"" in locations:
        raise SourceFailedError(f"{url.host} answers {response.code} without the URL to go to: check the source")
    return url.follow(locations.pop())


def _check(url: SourceUrl, response: Any) -> None:
    if response.code in _GONE:
        raise NotFoundError(f"{url.host} has no such original: it answers {response.code}")
    if response.code not in _SUCCESS and not _is_whole(response):
        raise SourceFailedError(f"{url.host} answers {shorten(str(response.code), 4)}, and not 200: check the source")


def _is_whole(response: Any) -> bool:
    """Say whether a 206 answer is the whole file: some caches answer every request so."""
    ranges = response.headers.getRawHeaders(b"Content-Range", [])
    match = _WHOLE.fullmatch(ranges[0]) if response.code == _PARTIAL and len(ranges) == 1 else None
    return match is not None and int(match[1]) + 1 == int(match[2])
