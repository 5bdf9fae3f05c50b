"""Varnish and nginx as caches, with `etc/varnish.vcl` and `etc/nginx-cache.conf`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest
from cache_origin import CacheOrigin
from nginx_process import NginxProcess
from server_process import ServerProcess
from source_tree import ROOT

SBIN = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


class CacheServer(ServerProcess):
    """A cache before the server at `address`, a port of loopback."""

    def __init__(self, folder: Path, address: int) -> None:
        super().__init__(folder)
        self.address = address
        self.tags: dict[str, str] = {}

    def get(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        """Send a request; return the status, and the headers by their names in lower case."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}
        finally:
            connection.close()


class Varnish(CacheServer):
    """Varnish, whose only store is memory."""

    def command(self) -> list[str]:
        """Return the command that starts it."""
        program = shutil.which("varnishd", path=SBIN)
        if program is None or shutil.which("cc") is None:
            pytest.skip("no varnishd or no C compiler: install Debian's packages varnish, gcc and libc6-dev")
        config = (ROOT / "etc" / "varnish.vcl").read_text()
        config, count = re.subn(r'\.port = "7000"; +# here', f'.port = "{self.address}";', config)
        assert count == 1
        (self.folder / "imaged.vcl").write_text(config)
        return [
            program, "-F", "-j", "none", "-n", str(self.folder / "work"), "-f", str(self.folder / "imaged.vcl"),
            "-a", f"127.0.0.1:{self.port}", "-s", "malloc,32m", "-s", "Transient=malloc,32m", "-T", "none",
            "-p", "thread_pools=1", "-p", "thread_pool_min=10",
        ]  # fmt: skip


class NginxCache(NginxProcess, CacheServer):
    """nginx with its JavaScript module."""

    module = "ngx_http_js_module.so"
    package = "libnginx-mod-http-js"

    def blocks(self) -> str:
        """Write the configuration of the cache and its script; return the block that includes it."""
        config = (ROOT / "etc" / "nginx-cache.conf").read_text()
        for before, after in (
            (r"listen 80; +# here", f"listen 127.0.0.1:{self.port};"),
            (r"http://127\.0\.0\.1:7000; +# here", f"http://127.0.0.1:{self.address};"),
            (r"/var/cache/nginx/imaged ", f"{self.folder}/cache "),
            (r"/etc/nginx/nginx-purge\.js", f"{self.folder}/nginx-purge.js"),
        ):
            config, count = re.subn(before, after, config)
            assert count == 1
        script, count = re.subn(
            "/var/cache/nginx/imaged", f"{self.folder}/cache", (ROOT / "etc" / "nginx-purge.js").read_text()
        )
        assert count == 1
        (self.folder / "nginx-purge.js").write_text(script)
        (self.folder / "imaged.conf").write_text(config)
        return self.http(f"include {self.folder}/imaged.conf;")


class FilledCache:
    """A cache that gets its answers from an origin of the test."""

    def __init__(self, server: CacheServer, origin: CacheOrigin) -> None:
        self.server = server
        self._origin = origin

    async def keep(self, tag: str, path: str) -> None:
        """Have the cache keep the origin's answer."""
        self._origin.tags[path] = tag
        assert self.server.get(path)[0] == 200
        assert await self.keeps(path)

    async def keeps(self, path: str) -> bool:
        """Say whether the cache answers without its origin."""
        tag = self._origin.tags.pop(path, None)
        asked = len(self._origin.asked)
        status, _ = self.server.get(path)
        if tag is not None:
            self._origin.tags[path] = tag
        assert (status == 200) == (asked == len(self._origin.asked)), status
        return status == 200
