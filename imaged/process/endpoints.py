"""The endpoints that the settings name, and their faults, found without listening."""

from __future__ import annotations

from typing import Any

from imaged.config.faults import Fault, KeyPath
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.process.addresses import address

PUBLIC: KeyPath = ("listen",)
STATUS: KeyPath = ("status", "listen")

OPEN_TO_OTHERS = (
    "without access.tokens, every machine that reaches this address may post, process and delete: configure a token "
    "(imaged token new), or listen on 127.0.0.1, or set access.open: true"
)

_DOMAINS = ("INET", "INET6", "UNIX")


def endpoints(settings: Settings) -> dict[KeyPath, str]:
    """Return the endpoint of each port, by the key of its setting."""
    return {PUBLIC: settings.listen, STATUS: settings.status.listen}


def private_ports(settings: Settings) -> tuple[KeyPath, ...]:
    """Return the keys of the ports that other machines may not reach: they have no token, and may write."""
    return (PUBLIC,) if settings.access.needs_private_port else ()


def find_faults(loaded: Loaded, reactor: Any) -> list[Fault]:
    """Return every fault of the endpoints that the settings name."""
    faults = [
        loaded.places.quoting_fault(path, fault)
        for path, endpoint in endpoints(loaded.settings).items()
        if (fault := find_fault(reactor, endpoint)) is not None
    ]
    if (fault := find_unknown_peers(loaded.settings)) is not None:
        faults.append(loaded.places.fault(PUBLIC, fault))
    if not faults and (clash := find_clash(reactor, loaded.settings)) is not None:
        faults.append(loaded.places.fault(STATUS, clash))
    if not faults and not _has_fault_in(loaded, "access") and is_open_to_others(reactor, loaded.settings):
        faults.append(loaded.places.fault(PUBLIC, OPEN_TO_OTHERS))
    return faults


def is_open_to_others(reactor: Any, settings: Settings) -> bool:
    """Return whether other machines may write, without a token and although the settings do not say so.

    The address of some endpoints, such as a socket of systemd, is known only when they are open; `Ports.open` checks
    it. The endpoint has no fault.
    """
    if not settings.access.needs_private_port or systemd_socket(settings.listen):
        return False
    found = address(reactor, settings.listen)
    return found is not None and not found.is_private


def is_unknown(settings: Settings) -> bool:
    """Return whether only systemd knows if other machines may write. The endpoint has no fault."""
    return settings.access.needs_private_port and systemd_socket(settings.listen) is not None


def _has_fault_in(loaded: Loaded, section: str) -> bool:
    """Return whether a section has a fault, so that its settings are not those that the operator wrote."""
    return any(fault.path[:1] == (section,) for fault in loaded.faults)


def find_fault(reactor: Any, endpoint: str) -> str | None:
    """Return what is wrong with a description of an endpoint, or None."""
    try:
        found = None if systemd_socket(endpoint) else address(reactor, endpoint)
    except Exception as error:  # Twisted's parsers raise ValueError, TypeError, KeyError and others
        return f"not a Twisted endpoint such as tcp:7000:interface=127.0.0.1: {error}"
    return None if found is None else found.fault()


def find_unknown_peers(settings: Settings) -> str | None:
    """Return why imaged could not know the proxies that connect to the public port, or None.

    Twisted's `haproxy:` believes the PROXY header of any client. With `ssl:`, Twisted would take a header for a broken
    handshake, since it comes before that.
    """
    kinds, limits = settings.listen.split(":")[:2], settings.limits
    if limits.trusted_proxies and kinds[0] == "haproxy":
        return "haproxy: believes any client: remove it, and set limits.proxy_protocol: true"
    if limits.proxy_protocol and "ssl" in kinds:
        return "limits.proxy_protocol does not work with ssl: let the proxy end TLS"
    return None


def find_clash(reactor: Any, settings: Settings) -> str | None:
    """Return why the status port cannot listen beside the public one, or None. Neither endpoint has a fault."""
    public, status = settings.listen, settings.status.listen
    if systemd_socket(public) or systemd_socket(status):
        same = systemd_socket(public) == systemd_socket(status)
    else:
        one, other = address(reactor, public), address(reactor, status)
        same = one is not None and other is not None and one.overlaps(other)
    return "this is where the images are served (listen): take another port" if same else None


def systemd_socket(endpoint: str) -> tuple[str, str] | None:
    """Return `index` or `name`, and its value, from an endpoint `systemd:domain=INET:index=0`; None for another kind.

    Raises ValueError for a malformed one. Twisted's own parser needs LISTEN_FDNAMES, which some programs that pass
    sockets do not set, and an open socket, which `imaged check` does not have.
    """
    kind, _, rest = endpoint.partition(":")
    if kind != "systemd":
        return None
    fields = dict(part.split("=", 1) for part in rest.split(":") if "=" in part)
    if fields.pop("domain", None) not in _DOMAINS or len(fields) != 1 or len(rest.split(":")) != 2:  # noqa: PLR2004
        raise ValueError(f"write systemd:domain={'|'.join(_DOMAINS)}:index=0, or name=NAME in place of the index")
    ((key, value),) = fields.items()
    if key not in ("index", "name") or (key == "index" and not value.isdecimal()):
        raise ValueError("index takes a number, counted from 0, and name that of FileDescriptorName=")
    return key, value
