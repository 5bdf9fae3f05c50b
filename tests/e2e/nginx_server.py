"""nginx in front of a daemon, with `etc/nginx.conf`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from daemon import Daemon
from nginx_process import NginxProcess
from source_tree import ROOT

CACHE = "/var/cache/nginx/imaged"
CONFIG = (ROOT / "etc" / "nginx.conf").read_text(encoding="utf-8")


def adapted(port: int, address: str, store: Path) -> str:
    """Return `etc/nginx.conf` with the lines changed that it says an operator has to adapt."""
    text = CONFIG
    for before, after, count in (
        ("listen 80;", f"listen 127.0.0.1:{port};", 1),
        ("server 127.0.0.1:7000;", f"server {address};", 2),
        ("root /var/lib/imaged/public;", f"root {store};", 1),
    ):
        assert len(re.findall(rf"^ *{re.escape(before)} +# here$", text, re.MULTILINE)) == count
        text = text.replace(before, after)
    return text


def with_cache(text: str) -> str:
    """Return a configuration with its cache of `auto` outputs turned on."""
    return re.sub(r"^( *)#\| ", r"\1", text, flags=re.MULTILINE)


class NginxBefore(NginxProcess):
    """nginx in the folder of a daemon, with `etc/nginx.conf` as `change` returns it."""

    def __init__(self, daemon: Daemon, change: Callable[[str], str]) -> None:
        super().__init__(daemon.folder / "nginx")
        self._daemon = daemon
        self._change = change

    def blocks(self) -> str:
        """Write the configuration of the site; return the block that includes it."""
        text = self._change(adapted(self.port, urlsplit(self._daemon.public).netloc, self._daemon.store))
        path = self.folder / "imaged.conf"
        path.write_text(text.replace(CACHE, str(self.folder / "cache")))
        return self.http(f"include {path};")


@contextmanager
def nginx_before(daemon: Daemon, change: Callable[[str], str] = str) -> Iterator[str]:
    """Run nginx in front of a daemon, with a changed configuration. Yields its URL."""
    nginx = NginxBefore(daemon, change)
    nginx.start()
    try:
        yield nginx.url
    finally:
        nginx.stop()
