"""The address of an original: which URLs are taken, and where a redirect leads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

import idna

from imaged.core.errors import MalformedRequestError, SourceFailedError, SourceForbiddenError
from imaged.core.hashes import shorten

MAXIMUM_URL_CHARACTERS = 8_000  # RFC 9110, 4.1 asks everybody to take as many
MAXIMUM_HOST_CHARACTERS = 253  # RFC 1035, 2.3.4, as text
MAXIMUM_PORT = 65_535
DEFAULT_PORTS = {"http": 80, "https": 443}
_AROUND = " \t\r\n"  # a copied URL has them at its ends; WHATWG URL, 4.4 strips them
_LINE_ENDS = str.maketrans("", "", "\t\r\n")  # from everywhere, as it does
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<netloc>[^/?#]*)(?P<target>[^#]*))?.*", re.DOTALL)
_NETLOC = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^][:@]+)(?P<port>:[0-9]{0,5})?")
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")  # the underscore is no host's by law, but in use
_AS_THEY_ARE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True)
class SourceUrl:
    """A checked URL, all of it ASCII and fit for the wire.

    `host` is a name in lower case and punycode, or an address, IPv6 without its brackets. `target` is the path and
    the query exactly as they were given, but for blanks and characters outside ASCII, which are percent-encoded as
    UTF-8. Browsers, Go and curl agree on those; what else RFC 3986 does not allow, curl sends as it is, as we do.
    """

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def shown(self) -> str:
        """The URL without its query, fit for a log and the status page: whoever reads a signature there can use it."""
        path, query, _ = self.target.partition("?")
        return f"{self.scheme}://{self.netloc}{path}{query and '?...'}"

    @property
    def netloc(self) -> str:
        """The host, in brackets where it needs them, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> SourceUrl:
        """Read the URL that a client gave. Raises MalformedRequestError; its message shows no more than the host."""
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
        """Return where the `Location` header of this URL's answer leads.

        Raises SourceForbiddenError for another scheme than http and https, and SourceFailedError for what is no URL.
        """
        try:
            text = location.decode()
        except UnicodeDecodeError:  # in Latin-1, perhaps: its bytes are what the origin knows them by
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
            raise SourceFailedError(f"{self.host} redirects to what is no URL of an original: {error}") from error

    def _join(self, reference: str) -> str:
        """Return the URL that a relative reference leads to from here (RFC 3986, 5.2.2)."""
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
    try:
        if name.startswith("["):
            IPv6Address(name[1:-1])  # only asked whether it is one: Python 3.13 writes some of them in another way
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
