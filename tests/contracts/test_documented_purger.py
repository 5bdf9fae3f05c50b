"""The purger of docs/plugins.md passes the contract suite, before a service that stands for Cloudflare's."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType

import pytest
from http_server import serving
from ports import free_port
from source_tree import ROOT
from twisted.internet import reactor
from twisted.web.client import Agent

from imaged.api import Purger, StoreError
from imaged.testing.fakes import MemoryPurger, make_host
from imaged.testing.purgers import TAG, PurgerContract
from imaged.testing.waiting import wait

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


class Service(MemoryPurger):
    """Answers of a CDN, and its API on a port of loopback, which takes the right token alone."""

    port = 0


@pytest.fixture
def service() -> Iterator[Service]:
    """Run one."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_known = self.path == "/zones/Z/purge_cache" and self.headers["Authorization"] == "Bearer T"
            for tag in asked["tags"] if is_known else ():
                wait(service.purge(tag, ()))
            self.send_response(200 if is_known else 403)
            self.end_headers()
            self.wfile.write(b'{"success": true}')

    with serving(Handler) as service.port:
        yield service


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the module of the page."""
    (source,) = re.findall(r"^```python\n(# imaged_cloudflare.py\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "imaged_cloudflare.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("imaged_cloudflare")
    del sys.modules["imaged_cloudflare"]


def made(plugin: ModuleType, port: int, token: str = "T") -> Purger:
    """Return a purger of this service."""
    section = {"zone": "Z", "token": token, "api": f"http://127.0.0.1:{port}"}
    purger: Purger = plugin.imaged_purger(make_host("cloudflare", section, agent=Agent(reactor), clock=reactor))
    return purger


class TestDocumented(PurgerContract):
    """The purger of the page."""

    many = 50

    @pytest.fixture
    def cache(self, service: Service) -> Service:
        """Return the service, which keeps answers."""
        return service

    @pytest.fixture
    def purger(self, plugin: ModuleType, service: Service) -> Purger:
        """Return a purger of it."""
        return made(plugin, service.port)

    @pytest.fixture
    def helpless(self, plugin: ModuleType) -> Purger:
        """Return a purger of a service that does not listen."""
        return made(plugin, free_port())


def test_a_wrong_token_is_an_error(plugin: ModuleType, service: Service) -> None:
    """The answer of the service counts, not only that it answers."""
    with pytest.raises(StoreError, match="answered 403"):
        wait(made(plugin, service.port, "U").purge(TAG, ()))
    assert service.purges == []
