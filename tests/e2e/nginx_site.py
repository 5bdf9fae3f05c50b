"""nginx as a site that has pictures already."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from nginx_process import NginxProcess

_LINE = re.compile(r'(\d+) "(.*?)" "(.*?)" "(.*?)"')


class NginxSite(NginxProcess):
    """Serves the folder `media`, at `media_url`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.media = folder / "site" / "media"
        self.media.mkdir(parents=True)
        self.media_url = f"{self.url}/media/"

    def blocks(self) -> str:
        """Return the block of a server for the folder."""
        return self.http(f"server {{ listen 127.0.0.1:{self.port}; root {self.folder}/site; }}")

    def answers(self) -> Counter[tuple[int, bool]]:
        """Count the answers so far by status, and whether the request was conditional."""
        log = self.folder / "access.log"
        found = map(_LINE.fullmatch, log.read_text().splitlines())
        return Counter((int(each[1]), each[3] != "-") for each in found if each)
