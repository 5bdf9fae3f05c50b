"""The types of values in settings, each with its check.

A message that begins with "expected" quotes no value; the value found is appended where it is not a secret.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from imaged.config.messages import UnfitError, did_you_mean
from imaged.core.client_addresses import UNIX, Proxy
from imaged.core.errors import ImagedError
from imaged.core.formats import CORE, FURTHER
from imaged.core.hashes import check_namespace
from imaged.core.outputs import EXTENSION, Output, parse
from imaged.core.source_urls import MAXIMUM_HOST_CHARACTERS, MAXIMUM_PORT
from imaged.core.variants import Progressive

T = TypeVar("T", bound=Hashable)
ANY_ORIGIN = "*"
_MAPPED_BITS = 96  # the prefix of IPv4-mapped addresses, ::ffff:0:0/96 (RFC 4291, 2.5.5.2)
_WORD = "[A-Za-z0-9_-]+"
_TEXT = {"type": "string"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_HOST = r"(?P<host>[\w.*-]*[.*][\w.*-]*|localhost|)|\[(?P<v6>[0-9a-fA-F:.]+)\]"
_HOST_AND_PORT = re.compile(rf"(?:(?:{_HOST}):)?(?P<port>[0-9]{{1,6}})")
_OWN = [format.extension for format in (*CORE, *FURTHER)]


def distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    """Return `items` when no two are equal, else raise ValueError."""
    for index, item in enumerate(items):
        if item in items[:index]:
            raise UnfitError("an entry is listed twice: list each entry once")
    return items


def _filled(items: tuple[T, ...]) -> tuple[T, ...]:
    """Return distinct `items`, else raise ValueError. pydantic's min_length counts no entry that has a fault."""
    if not items:
        raise UnfitError("the list is empty: give at least one entry")
    return distinct(items)


def _endpoint(value: Any) -> Any:
    if not isinstance(value, str) or ":" not in value or _HOST_AND_PORT.fullmatch(value):
        raise UnfitError('expected an endpoint such as "tcp:7000:interface=127.0.0.1"', _endpoint_meant(value))
    return value


def _endpoint_meant(value: Any) -> str:
    """Return the endpoint for an address and a port in a form that other servers take, as advice."""
    meant = _HOST_AND_PORT.fullmatch(str(value))
    if meant is None or not 0 < int(meant["port"]) <= MAXIMUM_PORT:
        return ""
    host = "127.0.0.1" if meant["host"] == "localhost" else (meant["host"] or meant["v6"] or "").replace(":", r"\:")
    interface = f":interface={host}" if host.strip("*") else ""
    return f": write 'tcp:{meant['port']}{interface}'"


def _matching(pattern: str, expected: str) -> AfterValidator:
    """Return a validator of text: all of it has to match `pattern`."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise UnfitError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _extension(value: str) -> str:
    if not re.fullmatch(EXTENSION, value):
        raise UnfitError("expected the extension of a format, such as jpg", did_you_mean(value.lstrip("."), _OWN))
    return value


def _output(value: Any) -> Output:
    if not isinstance(value, str):
        raise UnfitError("expected an output such as w500.jpg")
    try:
        return parse(value)
    except ImagedError as error:
        raise ValueError(str(error)) from error


def _network(value: Any) -> IPv4Network | IPv6Network:
    """Read a network. One of IPv4-mapped addresses is that of IPv4: all addresses that imaged compares are."""
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError as error:
        raise UnfitError("expected a network, by its first address, such as 10.0.0.0/8 or fd00::/8") from error
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return network if mapped is None else IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _proxy(value: Any) -> Proxy:
    if value == UNIX:
        return "unix"
    try:
        network = _network(value)
    except UnfitError as error:
        raise UnfitError(
            "expected unix, an address, or a network by its first address, such as 10.0.0.0/8 or fd00::/8"
        ) from error
    if not network.prefixlen:
        raise UnfitError("expected the networks of your proxies: this network has every client of the world in it")
    return network


def _key_prefix(value: str) -> str:
    prefix = value.removesuffix("/")
    if _UNPRINTABLE.search(value) or (value and not all(part.strip(".") for part in prefix.split("/"))):
        raise UnfitError('expected a prefix such as "public/images", without a leading /, "." or ".."')
    return prefix


def _base_url(value: str) -> str:
    message = 'expected a URL such as "https://images.example.com/originals", without user, query and fragment'
    try:
        url = urlsplit(value)
        port_fits = url.port is None or url.port > 0
    except ValueError as error:
        raise UnfitError(message) from error
    clean = not (url.username or url.query or url.fragment or " " in value or _UNPRINTABLE.search(value))
    if value and not (url.scheme in {"http", "https"} and url.hostname and port_fits and clean):
        raise UnfitError(message)
    return value.rstrip("/")


def _partitions(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if sum(sizes) >= 32:  # noqa: PLR2004 -- an MD5 has 32 hex digits, and the last segment needs one
        raise ValueError(f"the sizes add up to {sum(sizes)}: a hash has 32 digits, so keep them below that")
    return sizes


def _color(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise UnfitError('expected a colour such as "#ffffff", in quotes')
    return value.lower()


def _namespace(value: str) -> str:
    try:
        return check_namespace(value)
    except ImagedError as error:
        raise ValueError(str(error)) from error


def _host_name(value: str) -> str:
    label = r"[A-Za-z0-9_-]{1,63}"  # some resolvers reject underscores
    try:
        numeric = value.rstrip(".").rpartition(".")[2].isdecimal()  # no host name ends in a number (RFC 3696, 2)
        address = ip_address(value) if numeric or ":" in value else None
        sound = address or re.fullmatch(rf"{label}(\.{label})*\.?", value)
    except ValueError:
        sound = None
    if not sound or len(value) > MAXIMUM_HOST_CHARACTERS:
        raise UnfitError("expected the name of a host, or an address, without a port")
    return value


def _web_origin(value: Any) -> str:
    """Return `*`, or the origin of a web page as browsers write it (RFC 6454, 6.2)."""
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"(https?)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", text)
    usual = {"http": "80", "https": "443"}
    if text != ANY_ORIGIN and (match is None or match[3] == usual[match[1]] or int(match[3] or 1) > MAXIMUM_PORT):
        raise UnfitError(
            'expected "*" or an origin such as "https://www.example.com", as browsers send it: in lower '
            "case, without a path and without a default port"
        )
    return text


def _progressive(value: Any) -> Any:
    if not isinstance(value, bool) and value != "auto":
        raise UnfitError("expected true, false or auto")
    return value


def _profiling(value: Any) -> Any:
    if not isinstance(value, bool) and value != "cpu":
        raise UnfitError("expected true, false or cpu")
    return value


def _null_is_empty(value: Any) -> Any:
    return {} if value is None else value


NULL_IS_EMPTY = BeforeValidator(_null_is_empty)
"""A mapping whose keys are all commented out is null in YAML and becomes an empty mapping."""


# Each type has one Field and one AfterValidator, since pydantic 2.10 keeps the last of two. YAML lists become tuples.
_LIST = Field(strict=False)
_FILLED = Field(strict=False, json_schema_extra={"minItems": 1})

Endpoint = Annotated[str, BeforeValidator(_endpoint)]
FolderPath = Annotated[str, _matching(r"[^\0]+", "the path of a folder")]
FilePath = Annotated[str, _matching(r"([^\0]*[^\0/])?", "the path of a file")]
HeaderText = Annotated[
    str, _matching(r"([!-~]([ -~]{0,498}[!-~])?)?", 'up to 500 characters of ASCII, such as "imaged (ops@example.com)"')
]
Profiling = Annotated[bool | Literal["cpu"], BeforeValidator(_profiling)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
PartitionSize = Annotated[int, Field(ge=1, le=31)]
Partitions = Annotated[tuple[PartitionSize, ...], Field(strict=False, max_length=8), AfterValidator(_partitions)]
KeyPrefix = Annotated[str, AfterValidator(_key_prefix)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Extension = Annotated[str, AfterValidator(_extension), Field(json_schema_extra={"pattern": f"^{EXTENSION}$"})]
Extensions = Annotated[tuple[Extension, ...], AfterValidator(_filled), _FILLED]
AutoFormats = Annotated[tuple[Extension, ...], AfterValidator(distinct), _LIST]
Pixels = Annotated[int, Field(ge=1, le=10_000_000_000)]
Side = Annotated[int, Field(ge=1, le=1_000_000)]
OutputCount = Annotated[int, Field(ge=1, le=1_000_000)]
Quality = Annotated[int, Field(ge=1, le=100)]
AvifSpeed = Annotated[int, Field(ge=0, le=9)]
WebpEffort = Annotated[int, Field(ge=0, le=6)]
OutputName = Annotated[Output, PlainValidator(_output), PlainSerializer(str), WithJsonSchema(_TEXT)]
OutputNames = Annotated[tuple[OutputName, ...], AfterValidator(distinct), _LIST]
ProgressiveJpegs = Annotated[Progressive, BeforeValidator(_progressive)]
Color = Annotated[str, BeforeValidator(_color), Field(json_schema_extra={"pattern": "^#[0-9a-fA-F]{6}$"})]
Namespace = Annotated[str, AfterValidator(_namespace)]
OriginName = Annotated[
    str,
    _matching(
        r"[a-z][a-z0-9_-]{0,39}", "the name of an origin: a letter, then letters, digits, _ and -, all in lower case"
    ),
]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), PlainSerializer(str), WithJsonSchema(_TEXT)]
Networks = Annotated[tuple[Network, ...], _LIST]
TrustedProxy = Annotated[Proxy, PlainValidator(_proxy), PlainSerializer(str), WithJsonSchema(_TEXT)]
TrustedProxies = Annotated[tuple[TrustedProxy, ...], AfterValidator(distinct), _LIST]
HostName = Annotated[str, AfterValidator(_host_name)]
HostNames = Annotated[tuple[HostName, ...], AfterValidator(distinct), _LIST]
WebOrigin = Annotated[str, BeforeValidator(_web_origin)]
WebOrigins = Annotated[tuple[WebOrigin, ...], AfterValidator(distinct), _LIST]
PortNumber = Annotated[int, Field(ge=1, le=MAXIMUM_PORT)]
MetricPath = Annotated[
    str, _matching(rf"(?!.{{201}}){_WORD}(\.{_WORD})*", "letters, digits, _ and -, with single dots between them")
]
PluginName = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "the name of a plugin: letters, digits, _, - and .")
]
PluginNames = Annotated[tuple[PluginName, ...], AfterValidator(distinct), _LIST]
FilledPluginNames = Annotated[tuple[PluginName, ...], AfterValidator(_filled), _FILLED]
