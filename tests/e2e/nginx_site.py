"""nginx as a site that has pictures already."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

from nginx_server import find_nginx
from ports import free_port, listens
from processes import LONGEST_S

CONFIG = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    log_format answers '$status "$uri" "$http_if_none_match" "$http_if_modified_since"';
    access_log {folder}/access.log answers;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/site;
    }}
}}
"""
_LINE = re.compile(r'(\d+) "(.*?)" "(.*?)" "(.*?)"')


class NginxSite:
    """Serves the folder `media`, at `url`."""

    def __init__(self, folder: Path) -> None:
        self._program = find_nginx()
        self._folder = folder
        self.media = folder / "site" / "media"
        self.media.mkdir(parents=True)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/media/"
        user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read the folder of the test
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=self._port, user=user))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start nginx."""
        command = [self._program, "-e", str(self._folder / "error.log"), "-c", str(self._folder / "nginx.conf")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        end_s = time.monotonic() + LONGEST_S
        while not listens(self._port):
            assert self._process.poll() is None, (self._folder / "error.log").read_text()
            assert time.monotonic() < end_s, "nginx did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop nginx, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(LONGEST_S)
            self._process = None

    def answers(self) -> Counter[tuple[int, bool]]:
        """Count the answers so far by status, and whether the request was conditional."""
        log = self._folder / "access.log"
        found = map(_LINE.fullmatch, log.read_text().splitlines())
        return Counter((int(each[1]), each[3] != "-") for each in found if each)
