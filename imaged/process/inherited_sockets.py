"""The sockets that a process inherits: from systemd, or from the old process that it takes over from.

systemd passes listening sockets from descriptor 3 on, and describes them in LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES
(sd_listen_fds(3)). An old process passes the sockets that it inherited itself, those of its own ports, and one end of a
channel; it describes them in IMAGED_HANDOVER. Reading removes these variables, so that no other child sees them. This
module does not import Twisted, whose endpoints take the sockets from the environment on import.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIRST_DESCRIPTOR = 3
HANDOVER = "IMAGED_HANDOVER"
_SYSTEMD = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


@dataclass(frozen=True)
class ActivationSocket:
    """A socket that systemd opened, with the name from its unit. `socket` is None when it does not listen."""

    name: str
    socket: socket.socket | None


@dataclass(frozen=True)
class InheritedPort:
    """A listening port of the old process: the key of its setting, its endpoint, and its socket."""

    key: str
    endpoint: str
    socket: socket.socket


@dataclass
class InheritedSockets:
    """The sockets that this process inherited, the channel to the old process, and the keys of the claimed ports."""

    passed: Sequence[ActivationSocket] = ()
    ports: list[InheritedPort] = field(default_factory=list)
    channel: socket.socket | None = None
    claimed: list[str] = field(default_factory=list)

    def claim(self, key: str, endpoint: str) -> socket.socket | None:
        """Return the socket that the old process had for a setting and an endpoint, once, or None."""
        for port in self.ports:
            if (port.key, port.endpoint) == (key, endpoint):
                self.ports.remove(port)
                self.claimed.append(key)
                return port.socket
        return None

    def close_unclaimed(self) -> None:
        """Close the ports of the old process that no setting has claimed: this process does not serve them."""
        while self.ports:
            self.ports.pop().socket.close()


def inherit_sockets(environ: MutableMapping[str, str]) -> InheritedSockets:
    """Return the sockets that this process inherited, and remove the variables that describe them from `environ`."""
    handover = environ.pop(HANDOVER, None)
    systemd = {name: environ.pop(name, "") for name in _SYSTEMD}
    if handover is not None:
        return _from_old_process(json.loads(handover))
    if systemd["LISTEN_PID"] != str(os.getpid()) or not systemd["LISTEN_FDS"].isdecimal():
        return InheritedSockets()
    names = systemd["LISTEN_FDNAMES"].split(":")
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(systemd["LISTEN_FDS"]))
    padded = [*names, *[""] * len(descriptors)]
    return InheritedSockets(
        [ActivationSocket(name, _listening(fd)) for name, fd in zip(padded, descriptors, strict=False)]
    )


def detach(inherited: InheritedSockets) -> None:
    """Fork away from an old process, and send it the number of the child, which is the new process.

    The service manager can watch only its own children. It adopts a process whose parent has ended, so the parent ends
    at once. Call this before any thread starts. Without an old process, do nothing.
    """
    if inherited.channel is not None:
        if os.fork() > 0:
            os._exit(0)
        inherited.channel.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")


def handover_environment(
    environ: Mapping[str, str],
    passed: Sequence[ActivationSocket],
    ports: Sequence[InheritedPort],
    channel: socket.socket,
) -> tuple[dict[str, str], list[int]]:
    """Return the environment of a new process, and the descriptors that it must inherit.

    WATCHDOG_PID is removed: the watchdog is for the new process too (sd_watchdog_enabled(3)).
    """
    given = {
        "channel": channel.fileno(),
        "passed": [[each.name, each.socket.fileno() if each.socket else None] for each in passed],
        "ports": [[port.key, port.endpoint, port.socket.fileno()] for port in ports],
    }
    descriptors = [channel.fileno(), *(port.socket.fileno() for port in ports)]
    descriptors += [each.socket.fileno() for each in passed if each.socket]
    kept = {name: value for name, value in environ.items() if name not in {*_SYSTEMD, "WATCHDOG_PID"}}
    return kept | {HANDOVER: json.dumps(given)}, descriptors


def _from_old_process(given: Any) -> InheritedSockets:
    channel = socket.socket(fileno=given["channel"])
    passed = [ActivationSocket(name, None if fd is None else _listening(fd)) for name, fd in given["passed"]]
    ports = [InheritedPort(key, endpoint, found) for key, endpoint, fd in given["ports"] if (found := _listening(fd))]
    os.set_inheritable(channel.fileno(), False)
    return InheritedSockets(passed, ports, channel)


def _listening(descriptor: int) -> socket.socket | None:
    """Return the socket of a descriptor, set up for the reactor, or None when it does not listen."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        return None
    os.set_inheritable(descriptor, False)
    if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()
        return None
    found.setblocking(False)
    return found
