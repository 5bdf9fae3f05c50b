"""Listening: an endpoint's description becomes a port, or a clear error."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError

from imaged.core.errors import ImagedError
from imaged.web.requests import Door, ImagedFactory


class PortError(ImagedError):
    """A port cannot be opened."""


async def open_port(reactor: Any, key: str, description: str, door: Door) -> Any:
    """Return the IListeningPort of the Twisted endpoint `description`. Raises PortError, naming the setting `key`."""
    try:
        return await serverFromString(reactor, description).listen(ImagedFactory(reactor, door))
    except (CannotListenError, OSError, ValueError) as error:
        cause = error.socketError if isinstance(error, CannotListenError) else error
        reason = getattr(cause, "strerror", None) or cause
        raise PortError(f"{key}: cannot listen on {description}: {reason}; set another one") from error


def base_url(port: Any) -> str:
    """Return the URL that the port answers on, as a client on this machine would write it; of a socket `unix:PATH`."""
    address = port.getHost()
    if isinstance(address, IPv6Address):
        return f"http://[{'::1' if address.host == '::' else address.host}]:{address.port}"
    if isinstance(address, IPv4Address):
        everywhere = address.host == "0.0.0.0"  # noqa: S104  # read, not bound
        return f"http://{'localhost' if everywhere or address.host == '127.0.0.1' else address.host}:{address.port}"
    if isinstance(address, UNIXAddress) and address.name:
        return f"unix:{os.fsdecode(address.name)}"
    return str(address)
