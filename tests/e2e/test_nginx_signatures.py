"""nginx keeps stored outputs to signed URLs in each of the ways of `docs/signatures.md`; the plain setup does not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from daemon import Daemon, request, until
from nginx_server import nginx_before, with_cache
from source_tree import ROOT

from imaged.core.signatures import read_message, sign
from imaged.testing.pictures import make_jpeg

PAGE = (ROOT / "docs" / "signatures.md").read_text(encoding="utf-8")
LOCATION = re.compile(r"^    location ~ .*?^    }\n", re.MULTILINE | re.DOTALL)
"""The location of `etc/nginx.conf` that serves stored outputs."""

KEY = "first-key-0123456789"
SETTINGS = f"images: {{allowed_outputs: ['w{{20,24}}.jpg']}}\naccess: {{signing_keys: [{KEY}], open: true}}\n"


def snippets() -> list[str]:
    """Return the parts of a configuration on the page: a location, a line in it, and what it calls."""
    found = re.findall(r"^   ```nginx\n(.*?)^   ```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 3
    return [re.sub(r"^   ", "", each, flags=re.MULTILINE) for each in found]


def unchanged(text: str) -> str:
    """Leave the configuration as it is."""
    return text


def without_location(text: str) -> str:
    """Have imaged answer all."""
    changed, count = LOCATION.subn("", text, count=1)
    assert count == 1
    return changed


def listed_only(text: str) -> str:
    """Have nginx serve what is listed: the names of the page, with the widths of this test."""
    first = snippets()[0].strip().replace("w(?:320|640|1280)|x300", "w(?:20|24)")
    return re.sub(r"^    location ~ .*\{$", lambda _: f"    {first}", text, count=1, flags=re.MULTILINE)


def asking(text: str) -> str:
    """Have nginx ask imaged before it serves a file."""
    _, line, location = snippets()
    return text.replace("        try_files", f"        {line}        try_files", 1).replace(
        "    location @imaged", f"{location}\n    location @imaged", 1
    )


@pytest.mark.parametrize(
    ("change", "unsigned"), [(unchanged, 200), (without_location, 403), (listed_only, 403), (asking, 403)]
)
def test_a_stored_output_that_is_not_listed(
    make_daemon: Callable[..., Daemon], change: Callable[[str], str], unsigned: int
) -> None:
    """Once a signed request has made it, other clients get it where nginx serves all that is stored, and only there."""
    daemon = make_daemon(SETTINGS)
    with nginx_before(daemon, change) as url:
        answer = request(url, "POST", "/p", make_jpeg())
        home = f"/p/{answer.json()['partitionedHash']}"
        path, listed = f"{home}/w30.jpg", f"{home}/w24.jpg"
        signed = f"{path}?s={sign(KEY, read_message(path))}"
        assert request(url, "GET", path).status == 403
        assert [request(url, "GET", each).status for each in (signed, listed)] == [200, 200]
        for each in (path, listed):
            until((daemon.store / each.lstrip("/")).exists, daemon)
        assert [request(url, "GET", each).status for each in (signed, listed)] == [200, 200]
        refused = request(url, "GET", path)
        assert refused.status == unsigned
        assert request(url, "GET", f"{path}?s={'A' * 22}").status == unsigned


def test_the_cache_of_auto_outputs_keeps_no_signed_one(make_daemon: Callable[..., Daemon]) -> None:
    """A signed URL opens an output to no other URL; listed ones are answered from the cache."""
    daemon = make_daemon("images: {allowed_outputs: [w24.auto]}\naccess: {signing_keys: [" + KEY + "], open: true}\n")
    with nginx_before(daemon, with_cache) as url:
        home = f"/p/{request(daemon.public, 'POST', '/p', make_jpeg()).json()['partitionedHash']}"
        path = f"{home}/w30.auto"
        for _ in range(3):
            assert request(url, "GET", f"{path}?s={sign(KEY, read_message(path))}").status == 200
        assert [request(url, "GET", f"{path}{end}").status for end in ("", "?v=1", "?s=wrong")] == [403] * 3
        listed = [request(url, "GET", f"{home}/w24.auto").headers["x-cache-status"] for _ in range(3)]
        assert listed[1:] == ["HIT", "HIT"]
