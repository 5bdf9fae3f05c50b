"""The listening ports: opened before those that they replace are closed, and closed without a connection lost."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from imaged.config.faults import Fault, KeyPath, dotted
from imaged.config.load import Loaded
from imaged.config.model import Settings
from imaged.core.errors import ImagedError
from imaged.process.addresses import address
from imaged.process.inheritance import Inheritance, Passed, Port
from imaged.process.sockets import BACKLOG, Listening, adopt, copy, is_same, remove_path

PUBLIC: KeyPath = ("listen",)
STATUS: KeyPath = ("status", "listen")

_DOMAINS = ("INET", "INET6", "UNIX")


class PortError(ImagedError):
    """A port cannot be opened; `path` is the setting that names it, and `endpoint` what it says."""

    def __init__(self, path: KeyPath, endpoint: str, reason: str) -> None:
        self.path = path
        self.endpoint = endpoint
        self._reason = reason
        super().__init__(f"{dotted(path)}: {self.sentence(endpoint)}")

    def sentence(self, endpoint: str) -> str:
        """Return what is wrong, with the endpoint as it may be told."""
        return f"cannot listen on {endpoint}: {self._reason}; set another one"


@dataclass(frozen=True)
class OpenPort:
    """One open port: its endpoint's description, and the IListeningPort that it gave."""

    path: KeyPath
    endpoint: str
    listening: Any

    @property
    def has_tls(self) -> bool:
        """Whether it speaks TLS, perhaps within another protocol."""
        return re.search(r"(^|:)ssl:", self.endpoint) is not None

    @property
    def url(self) -> str:
        """The URL that it answers on, as a client on this machine would write it; of a UNIX socket `unix:PATH`."""
        address, scheme = self.listening.getHost(), "https" if self.has_tls else "http"
        if isinstance(address, IPv6Address):
            return f"{scheme}://[{'::1' if address.host == '::' else address.host}]:{address.port}"
        if isinstance(address, IPv4Address):
            here = address.host in {"0.0.0.0", "127.0.0.1"}  # noqa: S104  # read, not bound
            return f"{scheme}://{'localhost' if here else address.host}:{address.port}"
        if isinstance(address, UNIXAddress) and address.name:
            return f"unix:{os.fsdecode(address.name)}"
        return str(address)


class Ports:
    """The ports of this process, by the setting that names them. Reactor thread only.

    Sockets of systemd stay open as long as the process: a later setting may name them again.
    """

    _log = Logger()

    def __init__(self, reactor: Any, inheritance: Inheritance) -> None:
        self._reactor = reactor
        self._inheritance = inheritance
        self._factories: Mapping[KeyPath, ServerFactory[Any]] = {}
        self._open: dict[KeyPath, OpenPort] = {}
        self._handed_over = False

    def __getitem__(self, path: KeyPath) -> OpenPort:
        """Return the open port of a setting."""
        return self._open[path]

    @property
    def urls(self) -> tuple[str | None, str | None]:
        """The URL of the public port and that of the status port, as OpenPort has it, or None for one not open."""
        public, status = (self._open[path].url if path in self._open else None for path in (PUBLIC, STATUS))
        return public, status

    def serve(self, factories: Mapping[KeyPath, ServerFactory[Any]]) -> None:
        """Set the factory of each port's connections; call it before `open`."""
        self._factories = factories

    def outlives_us(self, path: KeyPath) -> bool:
        """Say whether a port is listened on when this process is gone: by systemd, or by the process that follows."""
        return self._handed_over or (path in self._open and self._is_passed(self._open[path]))

    async def open(self, wanted: Mapping[KeyPath, str]) -> list[OpenPort]:
        """Open the endpoints that are not open for their setting yet; none takes a connection before `use`.

        One with TLS is opened anew on its own socket, for its certificate may have been renewed. Raises PortError when
        one of them cannot be opened, and then none is.
        """
        fresh: list[OpenPort] = []
        try:
            for path, endpoint in wanted.items():
                if not self._has(path, endpoint) or self._open[path].has_tls:
                    fresh.append(OpenPort(path, endpoint, await self._listen(path, endpoint)))
        except PortError:
            await self.discard(fresh)
            raise
        return fresh

    async def discard(self, fresh: Sequence[OpenPort]) -> None:
        """Close ports that `open` gave and that are not to be used."""
        for each in fresh:
            await self._shut(each)

    async def use(self, fresh: Sequence[OpenPort]) -> None:
        """Take connections on these ports, and give up those that they replace. Connections that are open stay so."""
        replaced = [self._open[each.path] for each in fresh if each.path in self._open]
        for each in fresh:
            self._open[each.path] = each
            each.listening.startReading()
        for each in replaced:
            await self._shut(each)
        self._inheritance.drop_ports()
        for passed in self._inheritance.passed:
            if passed.socket and not any(is_same(passed.socket, each.listening.socket) for each in self._open.values()):
                self._log.warn(
                    "systemd opened {name}, which no setting names: nobody answers there", name=_name(passed)
                )

    async def close(self, path: KeyPath) -> None:
        """Give up the port of a setting, if it is open."""
        if path in self._open:
            await self._shut(self._open.pop(path))

    async def pause(self, taken: Collection[str]) -> None:
        """Leave what connects from now on to a process that has `taken` our sockets; give up those that it has not."""
        for path in [path for path in self._open if dotted(path) not in taken]:
            await self.close(path)
        self._handed_over = True
        for each in self._open.values():
            each.listening.stopReading()

    def resume(self) -> None:
        """Take what connects again."""
        self._handed_over = False
        for each in self._open.values():
            each.listening.startReading()

    def handover(self) -> tuple[Sequence[Passed], list[Port]]:
        """Return what another process has to be given to take over: the sockets of systemd, and our own."""
        own = [Port(dotted(path), each.endpoint, each.listening.socket) for path, each in self._open.items()]
        return self._inheritance.passed, own

    async def _listen(self, path: KeyPath, endpoint: str) -> Any:
        factory = self._factories[path]
        inherited = self._inheritance.take(dotted(path), endpoint)
        if self._has(path, endpoint):
            inherited = copy(self._open[path].listening.socket)
        passed = [each.socket for each in self._inheritance.passed if each.socket]
        own = [each.listening.socket for each in self._open.values()]
        try:
            if (wanted := systemd_socket(endpoint)) is not None:
                listening = adopt(self._reactor, inherited or _pick(self._inheritance.passed, *wanted), factory)
            else:
                reactor = Listening(self._reactor, inherited, passed, own)
                listening = await serverFromString(reactor, endpoint).listen(factory)
        except (CannotListenError, OSError, ValueError) as error:
            cause = error.socketError if isinstance(error, CannotListenError) else error
            reason = getattr(cause, "strerror", None) or cause
            raise PortError(path, endpoint, str(reason)) from error
        listening.stopReading()
        return listening

    async def _shut(self, port: OpenPort) -> None:
        """Close a port, after accepting the connections that wait in its queue: closing the socket resets those.

        A connection that completes its handshake between the two is reset. The queue of a socket that another process
        or another of our ports listens on stays: the others accept from it.
        """
        shared = any(
            each is not port and is_same(each.listening.socket, port.listening.socket) for each in self._open.values()
        )
        if not self._handed_over and not shared and not self._is_passed(port):
            port.listening.numberAccepts = 2 * BACKLOG
            port.listening.doRead()
            remove_path(port.listening.socket)
        await port.listening.stopListening()

    def _has(self, path: KeyPath, endpoint: str) -> bool:
        return path in self._open and self._open[path].endpoint == endpoint

    def _is_passed(self, port: OpenPort) -> bool:
        passed = (each.socket for each in self._inheritance.passed)
        return any(each is not None and is_same(each, port.listening.socket) for each in passed)


def endpoints(settings: Settings) -> dict[KeyPath, str]:
    """Return the endpoint of each setting that names one."""
    return {PUBLIC: settings.listen, STATUS: settings.status.listen}


def find_faults(loaded: Loaded, reactor: Any) -> list[Fault]:
    """Return every fault of the endpoints that the settings name; open none of them."""
    faults = [
        loaded.foreign_fault(path, fault)
        for path, endpoint in endpoints(loaded.settings).items()
        if (fault := find_fault(reactor, endpoint)) is not None
    ]
    if not faults and (clash := find_clash(reactor, loaded.settings)) is not None:
        faults.append(loaded.fault(STATUS, clash))
    return faults


def find_fault(reactor: Any, endpoint: str) -> str | None:
    """Return why `endpoint` is no description of an endpoint, or None; nothing is opened for that."""
    try:
        found = None if systemd_socket(endpoint) else address(reactor, endpoint)
    except Exception as error:  # Twisted's parsers raise ValueError, TypeError, KeyError …, as each sees fit
        return f"not a Twisted endpoint such as tcp:7000:interface=127.0.0.1: {error}"
    return None if found is None else found.fault()


def find_clash(reactor: Any, settings: Settings) -> str | None:
    """Return why the status port cannot be where it is beside the public one, or None; neither has a fault."""
    public, status = settings.listen, settings.status.listen
    if systemd_socket(public) or systemd_socket(status):
        same = systemd_socket(public) == systemd_socket(status)
    else:
        one, other = address(reactor, public), address(reactor, status)
        same = one is not None and other is not None and one.overlaps(other)
    return "this is where the images are served (listen): take another port" if same else None


def systemd_socket(endpoint: str) -> tuple[str, str] | None:
    """Return `index` or `name` and its value of an endpoint `systemd:domain=INET:index=0`, or None for another kind.

    Raises ValueError for one that is malformed. Twisted's own parser of these wants LISTEN_FDNAMES, which not
    everything that passes sockets sets, and a socket to be there, which `imaged check` does not have.
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


def _pick(passed: Sequence[Passed], key: str, value: str) -> socket.socket:
    for place, each in enumerate(passed):
        if each.socket is not None and (each.name == value if key == "name" else place == int(value)):
            return each.socket
    raise ValueError(f"systemd passed no such socket, but {len(passed)} in all")


def _name(passed: Passed) -> str:
    address = passed.socket.getsockname() if passed.socket else ""
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
