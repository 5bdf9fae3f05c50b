"""What a process is born with: the sockets of systemd, or those of the process that it takes over from.

systemd passes listening sockets from descriptor 3 on and says so in LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES
(sd_listen_fds(3)). A process that hands over passes on what it was given itself, its own ports, and one end of a
channel; it says so in one variable of ours. Nothing of this may reach a further child, so reading empties the
environment. This module imports nothing of Twisted, whose endpoints would take the sockets from the environment on
import.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIRST_DESCRIPTOR = 3
HANDOVER = "IMAGED_HANDOVER"
_COUNT = re.compile("[0-9]{1,4}")
_SYSTEMD = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


@dataclass(frozen=True)
class Passed:
    """One socket of systemd, under the name that its unit gives; `socket` is None when it is none that listens."""

    name: str
    socket: socket.socket | None


@dataclass(frozen=True)
class Port:
    """A listening port of the process before: the setting that it is for, the endpoint, and its socket."""

    key: str
    endpoint: str
    socket: socket.socket


@dataclass
class Inheritance:
    """The sockets that this process was given, the channel to the process before, and what was taken."""

    passed: Sequence[Passed] = ()
    ports: list[Port] = field(default_factory=list)
    channel: socket.socket | None = None
    taken: list[str] = field(default_factory=list)

    def take(self, key: str, endpoint: str) -> socket.socket | None:
        """Return the socket that the process before had for a setting, once, or None."""
        for port in self.ports:
            if (port.key, port.endpoint) == (key, endpoint):
                self.ports.remove(port)
                self.taken.append(key)
                return port.socket
        return None

    def drop_ports(self) -> None:
        """Close the ports of the process before that nothing has asked for: nobody would answer there."""
        while self.ports:
            self.ports.pop().socket.close()


def inherit(environ: MutableMapping[str, str]) -> Inheritance:
    """Read what this process was given; the variables that say so are removed from `environ`."""
    handover = environ.pop(HANDOVER, None)
    systemd = {name: environ.pop(name, "") for name in _SYSTEMD}
    if handover is not None:
        return _from_predecessor(json.loads(handover))
    if systemd["LISTEN_PID"] != str(os.getpid()) or not _COUNT.fullmatch(systemd["LISTEN_FDS"]):
        return Inheritance()
    names = systemd["LISTEN_FDNAMES"].split(":")
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(systemd["LISTEN_FDS"]))
    padded = [*names, *[""] * len(descriptors)]
    return Inheritance([Passed(name, _listening(fd)) for name, fd in zip(padded, descriptors, strict=False)])


def detach(inheritance: Inheritance) -> None:
    """Leave the process that started us, if we are to take over from it, and tell it our number.

    The service manager watches its own children best, and takes over those whose parent is gone: so the process that
    was started ends at once, and its child goes on. To be called before any thread is started.
    """
    if inheritance.channel is not None:
        if os.fork() > 0:
            os._exit(0)
        inheritance.channel.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")


def pass_on(
    environ: Mapping[str, str], passed: Sequence[Passed], ports: Sequence[Port], channel: socket.socket
) -> tuple[dict[str, str], list[int]]:
    """Return the environment of the process that is to take over, and the descriptors that it must be given.

    It has a watchdog like ours, but one that is not bound to our process number (sd_watchdog_enabled(3)).
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


def _from_predecessor(given: Any) -> Inheritance:
    channel = socket.socket(fileno=given["channel"])
    passed = [Passed(name, None if fd is None else _listening(fd)) for name, fd in given["passed"]]
    ports = [Port(key, endpoint, found) for key, endpoint, fd in given["ports"] if (found := _listening(fd))]
    os.set_inheritable(channel.fileno(), False)
    return Inheritance(passed, ports, channel)


def _listening(descriptor: int) -> socket.socket | None:
    """Return the socket of a descriptor, ready for the reactor, or None when it is none that listens."""
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
