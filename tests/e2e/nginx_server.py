"""nginx in front of a daemon, with `etc/nginx.conf`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from daemon import Daemon
from ports import free_port, listens, url
from processes import LONGEST_S
from source_tree import ROOT

CACHE = "/var/cache/nginx/imaged"
CONFIG = (ROOT / "etc" / "nginx.conf").read_text(encoding="utf-8")

MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/imaged.conf;
}}
"""


def find_nginx() -> str:
    """Return the path of nginx; skip the test if it is missing."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("no nginx: install Debian's package nginx")
    return found


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


@contextmanager
def nginx_before(daemon: Daemon, change: Callable[[str], str] = str) -> Iterator[str]:
    """Start nginx in the folder of the daemon, with a changed configuration. Yields its URL."""
    program = find_nginx()
    folder = daemon.folder / "nginx"
    folder.mkdir()
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # else the workers could not read the folder of the test
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    (folder / "imaged.conf").write_text(
        change(adapted(port, urlsplit(daemon.public).netloc, daemon.store)).replace(CACHE, str(folder / "cache"))
    )
    command = [program, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + LONGEST_S
        while not listens(port):
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < end_s, "nginx did not start"
            time.sleep(0.02)
        yield url(port)
    finally:
        process.terminate()
        process.wait(LONGEST_S)
