"""nginx as a process on a loopback port. It needs no root, and writes below its folder alone."""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from pathlib import Path

import pytest
from server_process import LONGEST_S, ServerProcess

MAIN = """
daemon off;
{load}
pid {folder}/pid;
error_log stderr;
{user}
events {{}}
{blocks}
"""

HTTP = """
http {{
    log_format answers '$status "$uri" "$http_if_none_match" "$http_if_modified_since"';
    access_log {folder}/access.log answers;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{lines}
}}
"""

_MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/share/nginx/modules"), Path("/usr/lib64/nginx/modules"))


class NginxProcess(ServerProcess):
    """nginx, with the dynamic `module` of a Debian `package`, if any. `start` skips the test if one is missing."""

    module = ""
    package = "nginx"

    @abstractmethod
    def blocks(self) -> str:
        """Write further files; return the blocks of the configuration that listen on `port`."""

    def http(self, lines: str) -> str:
        """Return a block `http` of these lines."""
        return HTTP.format(folder=self.folder, lines=lines)

    def command(self) -> list[str]:
        """Write the configuration; return the command that starts nginx."""
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        files = [folder / self.module for folder in _MODULES if self.module and (folder / self.module).exists()]
        if program is None or (self.module and not files):
            pytest.skip(f"no nginx, or no {self.module}: install Debian's package {self.package}")
        load = f"load_module {files[0]};" if files else ""
        user = "user root;" if os.geteuid() == 0 else ""  # else the workers could not use the folder of the test
        text = MAIN.format(folder=self.folder, load=load, user=user, blocks=self.blocks())
        (self.folder / "nginx.conf").write_text(text)
        return [program, "-e", "stderr", "-c", str(self.folder / "nginx.conf")]

    def stop(self) -> None:
        """End it and its workers, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(LONGEST_S)
            self._process = None
