"""The URL of an original: which URLs imaged accepts, and how it follows a redirect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

import idna

from imaged.core.errors import MalformedRequestError, SourceFailedError, SourceForbiddenError
from imaged.core.hashes import shorten

MAXIMUM_URL_CHARACTERS = 8_000  # RFC 9110, 4.1 recommends to support as many
MAXIMUM_HOST_CHARACTERS = 253  # RFC 1035, 2.3.4, as text
MAXIMUM_PORT = 65_535
DEFAULT_PORTS = {"http": 80, "https": 443}
_AROUND = " \t\r\n"  # stripped from both ends, as in WHATWG URL, 4.4
_LINE_ENDS = str.maketrans("", "", "\t\r\n")  # removed everywhere, as there
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<netloc>[^/?#]*)(?P<target>[^#]*))?.*", re.DOTALL)
_NETLOC = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^][:@]+)(?P<port>:[0-9]{0,5})?")
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")  # the underscore is not standard, but in use
_AS_THEY_ARE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True)
class SourceUrl:
    """A checked URL in ASCII, ready to send.

    `host` is a name in lower case and punycode, or an address; IPv6 has no brackets. `target` is the path and the query
    as given, except that blanks and characters outside ASCII are percent-encoded as UTF-8, as browsers, Go and curl do.
    Other characters that RFC 3986 excludes stay as they are, as in curl.
    """

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def without_query(self) -> str:
        """The URL without its query, for logs and the status page: the query may hold a signature."""
        path, query, _ = self.target.partition("?")
        return f"{self.scheme}://{self.netloc}{path}{query and '?...'}"

    @property
    def netloc(self) -> str:
        """The host, in brackets where needed, and the port where it is not the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> SourceUrl:
        """Read the URL that a client gave. Raises MalformedRequestError, whose message shows the host at most."""
        if len(text) > MAXIMUM_URL_CHARACTERS:
            raise MalformedRequestError(f"the source URL is longer than {MAXIMUM_URL_CHARACTERS} characters")
        text = text.strip(_AROUND).translate(_LINE_ENDS)
        if _CONTROL.search(text):
            raise MalformedRequestError("the source URL holds control characters: percent-encode them")
        parts = _PARTS.fullmatch(text)
        scheme = parts["scheme"].lower() if parts else ""
        if not parts or scheme not in DEFAULT_PORTS:
            raise MalformedRequestError("the source is no http or https URL: begin it with http:// or https://")
        if "@" in (parts["netloc"] or ""):
            raise MalformedRequestError("the source URL holds a user name or password: use a signed URL instead")
        netloc = _NETLOC.fullmatch(parts["netloc"] or "")
        if netloc is None:
            raise MalformedRequestError("the source URL has no host, or a broken host or port")
        port = int((netloc["port"] or "")[1:] or DEFAULT_PORTS[scheme])
        if not 0 < port <= MAXIMUM_PORT:
            raise MalformedRequestError(f"the source URL has port {port}, which does not exist")
        return cls(scheme, _host(netloc["host"]), port, _target(parts["target"]))

    def follow(self, location: bytes) -> SourceUrl:
        """Return the URL that a `Location` header names, relative to this one.

        Raises SourceForbiddenError for a scheme other than http and https, and SourceFailedError for a broken URL.
        """
        try:
            text = location.decode()
        except UnicodeDecodeError:  # perhaps Latin-1: the origin expects the same bytes back
            text = quote(location, safe=_AS_THEY_ARE + " ")
        text = text.strip(_AROUND).translate(_LINE_ENDS)
        scheme = parts["scheme"].lower() if (parts := _PARTS.fullmatch(text)) else self.scheme
        if scheme not in DEFAULT_PORTS:
            raise SourceForbiddenError(
                f"{self.host} redirects to {shorten(scheme, 20)}: only http and https are fetched"
            )
        try:
            return SourceUrl.parse(text if parts else self._join(text))
        except MalformedRequestError as error:
            raise SourceFailedError(f"{self.host} redirects to a URL that imaged does not fetch: {error}") from error

    def _join(self, reference: str) -> str:
        """Return the URL of a relative reference (RFC 3986, 5.2.2)."""
        if reference.startswith("//"):
            return f"{self.scheme}:{reference}"
        base, _, _ = self.target.partition("?")
        path, mark, query = reference.partition("#")[0].partition("?")
        if not path:
            path = base if mark else self.target
        else:
            path = _without_dots(path if path.startswith("/") else f"{base.rpartition('/')[0]}/{path}")
        return f"{self.scheme}://{self.netloc}{path}{mark}{query}"


def _without_dots(path: str) -> str:
    """Remove the segments `.` and `..` from an absolute path (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    first, *segments = path.split("/")
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join([first, *kept])


def _host(name: str) -> str:
    if len(name) > MAXIMUM_HOST_CHARACTERS:  # which punycode only makes longer; idna 3.6 takes seconds for thousands
        raise MalformedRequestError(f"{shorten(name)!r} is no host: check the source URL")
    try:
        if name.startswith("["):
            IPv6Address(name[1:-1])  # only a check: Python 3.13 writes some addresses differently
            return name[1:-1].lower()
        host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except (AddressValueError, UnicodeError):
        host = ""
    if len(host) > MAXIMUM_HOST_CHARACTERS or not _HOST.fullmatch(host):
        raise MalformedRequestError(f"{shorten(name)!r} is no host: check the source URL")
    return host


def _target(given: str) -> str:
    try:
        return quote(given if given.startswith("/") else f"/{given}", safe=_AS_THEY_ARE)
    except UnicodeError as error:  # a lone surrogate
        raise MalformedRequestError("the source URL holds characters that are no text: percent-encode it") from error
