"""A client that keeps its connection."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from daemon import Daemon


def connected(daemon: Daemon, timeout_s: float = 30) -> http.client.HTTPConnection:
    """Return an open connection to the public port. The client does not reopen it."""
    url = urlsplit(daemon.public)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout_s)
    connection.connect()
    connection.auto_open = 0
    return connection


def health(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    """Ask for the health check. Return the status and the Connection header."""
    connection.request("GET", "/status_check")
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("Connection")
