"""nginx as a program to measure: a configuration that needs no root and writes only below its folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from programs import Program, free_port

SERVER = """
{load}
daemon off;
master_process on;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    access_log {folder}/access.log;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
{http}
}}
"""
MODULE = "ngx_http_image_filter_module.so"


def program() -> str | None:
    """Return the path of nginx, or None."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def image_filter() -> Path | None:
    """Return the path of the module image_filter, or None."""
    folders = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
    return next((folder / MODULE for folder in folders if (folder / MODULE).exists()), None)


def start(folder: Path, http: str, *, load: str = "", port: int = 0) -> Program:
    """Return a server with these lines in `http`, in which `PORT` stands for its port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # whose folder this is
    text = SERVER.format(folder=folder, load=load, user=user, http=http.replace("PORT", str(port)))
    (folder / "nginx.conf").write_text(text)
    nginx = program()
    if nginx is None:
        raise RuntimeError("nginx is not installed")
    return Program(folder, [nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], port)


def start_static(folder: Path, root: Path) -> Program:
    """Return a server of the files below `root`, as plain as nginx is."""
    return start(folder, f"    server {{ listen 127.0.0.1:PORT; location / {{ root {root}; }} }}")


def start_front(folder: Path, address: str, store: Path) -> Program:
    """Return nginx with etc/nginx.conf in front of the daemon at an address, whose files are below `store`."""
    http = (Path(__file__).parents[1] / "etc" / "nginx.conf").read_text()
    for before, after in (
        ("listen 80;", "listen 127.0.0.1:PORT;"),
        ("server 127.0.0.1:7000;", f"server {urlsplit(address).netloc};"),
        ("root /var/lib/imaged/public;", f"root {store};"),
    ):
        http = http.replace(before, after)
    return start(folder, http)


FILTER = r"""
    server {{
        listen 127.0.0.1:PORT;
        image_filter_buffer 64M;
        location ~ ^/(?<w>\d+)x(?<h>\d+)/q(?<q>\d+)/(?<file>[\w.]+)$ {{
            alias {root}/$file;
            image_filter crop $w $h;
            image_filter_jpeg_quality $q;
        }}
    }}
"""


def start_filter(folder: Path, root: Path, module: Path) -> Program:
    """Return a server that resizes the files below `root` with image_filter."""
    http = FILTER.format(root=root)
    return start(folder, http, load=f"load_module {module};")
