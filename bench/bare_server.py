"""Serve the files of a folder with bare twisted.web, from memory: `bare_server.py FOLDER PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site


class Bytes(Resource):
    """The bytes of a file."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    def render_GET(self, request: Request) -> bytes:  # noqa: N802  # Twisted's name
        """Answer a GET; twisted.web adds the length."""
        request.setHeader(b"content-type", b"image/jpeg")
        return self._body


def main() -> None:
    """Serve until a signal comes."""
    root = Resource()
    for path in Path(sys.argv[1]).iterdir():
        root.putChild(path.name.encode(), Bytes(path.read_bytes()))
    reactor.listenTCP(int(sys.argv[2]), Site(root), interface="127.0.0.1")  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
