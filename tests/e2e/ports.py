"""Ports that a test hands to a daemon, by number or already open."""

from __future__ import annotations

import fcntl
import random
import socket
from contextlib import suppress

LOW, HIGH = 20_000, 32_000
"""Below the ports that Linux gives to clients, so that no client of the test takes one meanwhile."""

FREE_FILE = 100
"""Descriptors from here on are free."""

GIVE = """
import os, sys
files = [int(each) for each in sys.argv[1].split(",")]
for place, each in enumerate(files):
    os.dup2(each, 3 + place)
    os.close(each)
os.environ.update(LISTEN_FDS=str(len(files)), LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""A program that moves sockets to descriptors 3 and up, as a service manager does, and executes another program."""


def free_port() -> int:
    """Return a free port of loopback."""
    while True:
        port = random.randrange(LOW, HIGH)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


def endpoint(port: int) -> str:
    """Return the Twisted endpoint of a port of loopback."""
    return f"tcp:{port}:interface=127.0.0.1"


def url(port: int) -> str:
    """Return the URL of a port of loopback."""
    return f"http://127.0.0.1:{port}"


def listens(port: int) -> bool:
    """Say whether a server listens on a port of loopback."""
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


class HeldSocket:
    """A listening socket that the test keeps open while daemons that inherit it start and stop."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port: int = self._listener.getsockname()[1]
        self.file = fcntl.fcntl(self._listener, fcntl.F_DUPFD_CLOEXEC, FREE_FILE)

    def close(self) -> None:
        """Close the socket."""
        socket.close(self.file)
        self._listener.close()
