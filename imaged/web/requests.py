"""Requests as imaged takes them: bodies bounded while they come, and never read as forms."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.logger import Logger
from twisted.web.server import Request, Site

from imaged.core.errors import MalformedRequestError, MethodNotAllowedError, NotFoundError, TooLargeError
from imaged.core.hashes import shorten
from imaged.web.errors import send_error

LINGER_S = 30.0
"""How long a body that was refused is read and thrown away, so that its sender lives to read the answer."""


class ImagedRequest(Request):
    """A request whose body is refused as soon as it is too large, on `site.maximum_bytes()`."""

    _received_bytes = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Refuse a body that announces too much, else make room for it: in memory or, if large, in a file."""
        if length is not None and length > self.site.maximum_bytes():
            super().gotLength(0)
            self._refuse()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take a part of the body, or throw it away after a refusal."""
        self._received_bytes += len(data)
        if self._refused:
            return
        if self._received_bytes > self.site.maximum_bytes():
            self._refuse()
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802  # Twisted's name
        """Handle a complete request.

        Twisted would read a body that calls itself a form as one, all of it on the reactor thread, and curl calls any
        body a form: so the type is put aside meanwhile.
        """
        if self._refused:
            self.channel.loseConnection()
            return
        types = self.requestHeaders.getRawHeaders(b"Content-Type")
        self.requestHeaders.removeHeader(b"Content-Type")
        self._content_types = types or []
        super().requestReceived(command, path, version)
'''
'''
