"""The pages of the status port: markup, style and script from the folder `pages`, made one self-contained page each."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from imaged.statuspage.page_template import Template


class Page:
    """One page: its `markup`, and the files that are put into its `<style>` and its `<script>`, one after the other.

    All are read here and now: after an upgrade, those on the disk are of another version than the program that runs.
    """

    def __init__(self, markup: str, styles: Sequence[str], scripts: Sequence[str]) -> None:
        style, script = "".join(map(read_file, styles)), "".join(map(read_file, scripts))
        self._template = Template(read_file(markup), style, script)
        self._own = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'"

    def render(self, values: Mapping[str, Any]) -> bytes:
        """Return the page with `values`."""
        return self._template.render(values).encode()

    def policy(self, connect: str = "'self'", images: str = "data:") -> str:
        """Return its Content-Security-Policy: it may load nothing, and its script may talk to `connect` alone."""
        return (
            f"{self._own}; connect-src {connect}; img-src {images}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def status_page() -> Page:
    """Return the page that shows a snapshot."""
    return Page("status.html", ("base.css", "status.css"), ("values.js", "fill.js", "live.js"))


def try_page() -> Page:
    """Return the page at /try."""
    return Page("try.html", ("base.css", "try.css"), ("values.js", "results.js", "try.js"))


def read_file(name: str) -> str:
    """Return a file of the folder `pages`."""
    return files("imaged.statuspage").joinpath("pages", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
