"""The listening ports: a new one is opened before the one that it replaces is closed."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.config.faults import KeyPath, dotted
from imaged.core.client_addresses import is_of_this_machine
from imaged.core.errors import ImagedError
from imaged.process.addresses import Address, StandIn
from imaged.process.endpoints import PUBLIC, STATUS, systemd_socket
from imaged.process.inherited_sockets import ActivationSocket, InheritedPort, InheritedSockets
from imaged.process.sockets import BACKLOG, adopt, copy, is_same, occupy_queue, open_socket, remove_path

_ATTEMPTS = 100
"""How often clients may take the place in the queue before a port closes."""

_REACHED = "other machines reach it, and neither access.tokens nor access.open is set"


class PortError(ImagedError):
    """A port cannot be opened. `path` is the key of its setting, `endpoint` the value."""

    def __init__(self, path: KeyPath, endpoint: str, reason: str) -> None:
        self.path = path
        self.endpoint = endpoint
        self._reason = reason
        super().__init__(f"{dotted(path)}: {self.sentence(endpoint)}")

    def sentence(self, endpoint: str) -> str:
        """Return the error as a sentence, with a form of the endpoint that hides secrets."""
        return f"cannot listen on {endpoint}: {self._reason}; set another one"


@dataclass(frozen=True)
class OpenPort:
    """An open port: the key of its setting, its endpoint, and the IListeningPort."""

    path: KeyPath
    endpoint: str
    listening: Any

    @property
    def has_tls(self) -> bool:
        """Whether the endpoint uses TLS, perhaps inside another protocol."""
        return re.search(r"(^|:)ssl:", self.endpoint) is not None

    @property
    def is_private(self) -> bool:
        """Whether only programs of this machine can connect."""
        host = self.listening.getHost()
        return isinstance(host, UNIXAddress) or is_of_this_machine(str(getattr(host, "host", "")))

    @property
    def url(self) -> str:
        """The URL of the port for a client on this machine, or `unix:PATH`."""
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
    """The ports of this process, by the keys of their settings. Reactor thread only.

    Sockets of systemd stay open until the process ends, since later settings may name them again.
    """

    _log = Logger()

    def __init__(self, reactor: Any, inherited: InheritedSockets) -> None:
        self._reactor = reactor
        self._inherited = inherited
        self._factories: Mapping[KeyPath, ServerFactory[Any]] = {}
        self._open: dict[KeyPath, OpenPort] = {}
        self._handed_over = False

    def __getitem__(self, path: KeyPath) -> OpenPort:
        """Return the open port of a setting."""
        return self._open[path]

    @property
    def urls(self) -> tuple[str | None, str | None]:
        """The URLs of the public port and the status port, or None for a port that is not open."""
        public, status = (self._open[path].url if path in self._open else None for path in (PUBLIC, STATUS))
        return public, status

    def serve(self, factories: Mapping[KeyPath, ServerFactory[Any]]) -> None:
        """Set the factory of each port's connections; call it before `open`."""
        self._factories = factories

    def outlives_process(self, path: KeyPath) -> bool:
        """Return whether systemd or a new process keeps the socket of a port open after this process has ended."""
        return self._handed_over or (path in self._open and self._is_passed(self._open[path]))

    async def open(self, wanted: Mapping[KeyPath, str], private: Container[KeyPath] = ()) -> list[OpenPort]:
        """Open the endpoints that are not open yet. None accepts a connection before `use`.

        One with TLS is opened again, on the same socket, to load a renewed certificate. Raises PortError when one
        cannot be opened, or when other machines would reach one of those that have to be `private`, after closing the
        others.
        """
        opened: list[OpenPort] = []
        try:
            for path, endpoint in wanted.items():
                if not self._is_open(path, endpoint) or self._open[path].has_tls:
                    opened.append(OpenPort(path, endpoint, await self._listen(path, endpoint)))
            for each in {**self._open, **{each.path: each for each in opened}}.values():
                if each.path in private and not each.is_private:
                    raise PortError(each.path, each.endpoint, _REACHED)
        except PortError:
            for each in opened:
                await self._shut(each)
            raise
        return opened

    async def use(self, opened: Sequence[OpenPort]) -> None:
        """Accept connections on these ports, and close those that they replace. Open connections stay open."""
        replaced = [self._open[each.path] for each in opened if each.path in self._open]
        for each in opened:
            self._open[each.path] = each
            each.listening.startReading()
        for each in replaced:
            await self._shut(each)
        self._inherited.close_unclaimed()
        for passed in self._inherited.passed:
            if passed.socket and not any(is_same(passed.socket, each.listening.socket) for each in self._open.values()):
                self._log.warn(
                    "systemd opened {name}, but no setting uses it: clients that connect to it wait for ever; "
                    "name it in listen, or remove it from the .socket unit",
                    name=_name(passed),
                )

    async def close(self, path: KeyPath) -> None:
        """Close the port of a setting, if it is open."""
        if path in self._open:
            await self._shut(self._open.pop(path))

    async def pause(self, claimed: Collection[str]) -> None:
        """Leave new connections to the process that has claimed these ports, and close the other ports."""
        for path in [path for path in self._open if dotted(path) not in claimed]:
            await self.close(path)
        self._handed_over = True
        for each in self._open.values():
            each.listening.stopReading()

    def resume(self) -> None:
        """Accept connections again."""
        self._handed_over = False
        for each in self._open.values():
            each.listening.startReading()

    def handover(self) -> tuple[Sequence[ActivationSocket], list[InheritedPort]]:
        """Return the sockets that a new process inherits: those of systemd, and our own."""
        own = [InheritedPort(dotted(path), each.endpoint, each.listening.socket) for path, each in self._open.items()]
        return self._inherited.passed, own

    async def _listen(self, path: KeyPath, endpoint: str) -> Any:
        factory = self._factories[path]
        inherited = self._inherited.claim(dotted(path), endpoint)
        if self._is_open(path, endpoint):
            inherited = copy(self._open[path].listening.socket)
        passed = [each.socket for each in self._inherited.passed if each.socket]
        own = [each.listening.socket for each in self._open.values()]

        def listen(address: Address, factory: Any, backlog: int, mode: int) -> Any:
            with inherited or open_socket(address, backlog, mode, passed, own) as found:
                return adopt(self._reactor, found, factory)

        try:
            if (wanted := systemd_socket(endpoint)) is not None:
                listening = adopt(self._reactor, inherited or _pick(self._inherited.passed, *wanted), factory)
            else:
                listening = await serverFromString(StandIn(self._reactor, listen), endpoint).listen(factory)
        except (CannotListenError, OSError, ValueError) as error:
            cause = error.socketError if isinstance(error, CannotListenError) else error
            reason = getattr(cause, "strerror", None) or cause
            raise PortError(path, endpoint, str(reason)) from error
        listening.stopReading()
        return listening

    async def _shut(self, port: OpenPort) -> None:
        """Close a port, after accepting the connections that wait in its queue: closing the socket resets those.

        A connection of our own keeps the queue full between the last accept and the close, so that the kernel drops
        the SYN of a client, which repeats it. The queue of a socket that another process or another of our ports
        listens on stays: the others accept from it.
        """
        shared = any(
            each is not port and is_same(each.listening.socket, port.listening.socket) for each in self._open.values()
        )
        if not self._handed_over and not shared and not self._is_passed(port):
            remove_path(port.listening.socket)
            port.listening.stopReading()
            port.listening.socket.listen(0)  # from now on the kernel drops a SYN while a connection waits
            port.listening.numberAccepts = 2 * BACKLOG
            own = None
            for _ in range(_ATTEMPTS):
                port.listening.doRead()
                if port.listening.socket.family == socket.AF_UNIX or (own := occupy_queue(port.listening.socket)):
                    break
            port.listening.connectionLost(Failure(CONNECTION_DONE))
            if own is not None:
                own.close()
        else:
            await port.listening.stopListening()

    def _is_open(self, path: KeyPath, endpoint: str) -> bool:
        return path in self._open and self._open[path].endpoint == endpoint

    def _is_passed(self, port: OpenPort) -> bool:
        passed = (each.socket for each in self._inherited.passed)
        return any(each is not None and is_same(each, port.listening.socket) for each in passed)


def _pick(passed: Sequence[ActivationSocket], key: str, value: str) -> socket.socket:
    for place, each in enumerate(passed):
        if each.socket is not None and (each.name == value if key == "name" else place == int(value)):
            return each.socket
    raise ValueError(f"systemd passed no such socket, but {len(passed)} in all")


def _name(passed: ActivationSocket) -> str:
    address = passed.socket.getsockname() if passed.socket else ""
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
