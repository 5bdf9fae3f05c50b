"""The pages of the status port: a Jinja2 template with its style and its script, sent as one self-contained page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from typing import Any

from imaged.statuspage.page_filters import FILTERS, MOST_ROWS, NOTHING


class Page:
    """One page: its `markup`, and the files that become the contents of its `<style>` and its `<script>`.

    The constructor reads every file: after an upgrade, the files on the disk belong to another version.
    """

    def __init__(self, markup: str, styles: Sequence[str], scripts: Sequence[str]) -> None:
        style, script = "".join(map(read_file, styles)), "".join(map(read_file, scripts))
        self._markup, self._values = read_file(markup), {"style": style, "script": script, "MOST_ROWS": MOST_ROWS}
        self._own = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'"

    @cached_property
    def _template(self) -> Any:
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # a start that no page is asked of is quicker

        environment = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            finalize=lambda value: NOTHING if value is None else value,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= FILTERS
        return environment.from_string(self._markup, self._values)

    def render(self, **values: Any) -> bytes:
        """Return the page with these values, which the template has under their names."""
        rendered: str = self._template.render(values)
        return rendered.encode()

    def policy(self, connect: str = "'self'", images: str = "data:") -> str:
        """Return the page's Content-Security-Policy: it loads nothing, and its script may connect to `connect` only."""
        return (
            f"{self._own}; connect-src {connect}; img-src {images}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def status_page() -> Page:
    """Return the page that shows a snapshot, which its template has as `now`."""
    return Page("status.html", ("base.css", "status.css"), ("morph.js", "live.js"))


def try_page() -> Page:
    """Return the page at /try."""
    return Page("try.html", ("base.css", "try.css"), ("results.js", "names.js", "builder.js", "try.js"))


def read_file(name: str) -> str:
    """Return the text of a file in the folder `pages`."""
    return files("imaged.statuspage").joinpath("pages", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
