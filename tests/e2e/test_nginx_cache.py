"""nginx's proxy_cache in front of `auto` outputs: each client gets its own format, from the cache or not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from daemon import Answer, Daemon, request
from drawn_pictures import jpeg, scene
from nginx_server import nginx_before, with_cache

from imaged.core.formats import AVIF, CORE, Formats

CLIENTS = {
    "Chrome": ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif", "webp"),
    "Firefox": ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "avif", "webp"),
    "Safari 16": (
        "image/webp,image/avif,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        "avif",
        "webp",
    ),
    "Safari 13": ("image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5", "jpg", "jpg"),
    "Edge 18": ("image/webp, image/png, image/svg+xml, image/*; q=0.8, */*; q=0.5", "webp", "webp"),
    "Edge 16": ("image/png, image/svg+xml, image/*; q=0.8, */*; q=0.5", "jpg", "jpg"),
    "curl": ("*/*", "jpg", "jpg"),
    "Googlebot": ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "jpg", "jpg"),
    "a proxy": ("*/*;q=0.1", "jpg", "jpg"),
    "one that refuses": ("image/webp;q=0.0,image/avif;q=0,*/*", "jpg", "jpg"),
    "one that names nothing": (None, "jpg", "jpg"),
}
"""The Accept header of each client, and what it gets of a photograph with AVIF and without."""

WITH_AVIF = "{processors: [pillow, magick], images: {extensions: [jpg, png, gif, webp, avif]}, access: {open: true}}"
NO_AVIF = "{images: {extensions: [jpg, png, gif, webp]}, access: {open: true}}"
NAME = "w300-q30.auto"  # an AVIF of fewer pixels would be larger than a WebP, and stand back


def by_vary_alone(text: str) -> str:
    """Return the configuration of a cache that knows only `Vary`."""
    text = re.sub(r" *proxy_(?:ignore_headers Vary|set_header Accept).*\n", "", with_cache(text))
    return text.replace('proxy_cache_key "$uri $imaged_avif$imaged_webp"', 'proxy_cache_key "$uri"')


def format_of(answer: Answer) -> str:
    """Return the format of an answer, by its bytes, when its headers say the same."""
    format = Formats((*CORE, AVIF), ()).sniff(answer.body)
    assert format is not None
    assert (answer.status, answer.headers["content-type"], answer.headers["vary"]) == (
        200,
        format.content_type,
        "Accept",
    )
    return format.extension


@pytest.mark.parametrize(
    ("change", "copies"), [(by_vary_alone, len({accept for accept, *_ in CLIENTS.values()})), (with_cache, 4)]
)
@pytest.mark.parametrize(("settings", "formats"), [(WITH_AVIF, {"avif", "webp", "jpg"}), (NO_AVIF, {"webp", "jpg"})])
def test_a_cache_mixes_no_clients_up(
    make_daemon: Callable[..., Daemon], change: Callable[[str], str], copies: int, settings: str, formats: set[str]
) -> None:
    """Each client gets its format at every request, and later ones cost the daemon nothing.

    By `Vary` alone the cache has a copy for each Accept header; by the formats in it, only four.
    """
    daemon = make_daemon(settings)
    with nginx_before(daemon, change) as url:
        home = f"/p/{request(url, 'POST', '/p', jpeg(scene())).json()['partitionedHash']}"

        def get(accept: str | None) -> Answer:
            return request(url, "GET", f"{home}/{NAME}", headers={} if accept is None else {"Accept": accept})

        misses, seen = 0, set()
        for _ in range(3):
            for client, (accept, *expected) in CLIENTS.items():
                answer = get(accept)
                assert format_of(answer) == expected["avif" not in formats], client
                misses += answer.headers["x-cache-status"] == "MISS"
                seen.add(answer.headers["etag"])
        assert misses <= copies
        assert len(seen) == len(formats)
        part = request(url, "GET", f"{home}/{NAME}", headers={"Accept": "image/webp", "Range": "bytes=0-3"})
        assert (part.status, part.body) == (206, b"RIFF")
        for error in (f"{home}/w5000.auto", f"{home}/nonsense.auto"):
            assert {request(url, "GET", error).headers["x-cache-status"] for _ in range(2)} == {"MISS"}


def test_without_a_cache_auto_outputs_are_the_daemons(make_daemon: Callable[..., Daemon]) -> None:
    """Without the cache, nginx passes `auto` on, though the files that it stands for are there."""
    daemon = make_daemon(NO_AVIF)
    with nginx_before(daemon) as url:
        home = f"/p/{request(url, 'POST', '/p', jpeg(scene())).json()['partitionedHash']}"
        for _ in range(2):
            for accept, _, extension in CLIENTS.values():
                headers = {} if accept is None else {"Accept": accept}
                assert format_of(request(url, "GET", f"{home}/{NAME}", headers=headers)) == extension
