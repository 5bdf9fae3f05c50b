"""`etc/varnish.vcl` and `etc/nginx-cache.conf`: who may purge, what browsers see, and the commands of docs/erase.md."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from cache_origin import CacheOrigin, cache_origin
from cache_servers import CacheServer, FilledCache, NginxCache, Varnish
from source_tree import ROOT

from imaged.testing.waiting import wait

PAGE = (ROOT / "docs" / "erase.md").read_text()
HOME = "/p/f84/0ee/339d264d4bab1b169a653b1a91"
TAG = "p-f840ee339d264d4bab1b169a653b1a91"
ELSEWHERE = "127.0.0.2"
"""An address of this machine that the examples do not list."""


@pytest.fixture
def origin() -> Iterator[CacheOrigin]:
    """Return an origin."""
    with cache_origin() as origin:
        yield origin


@pytest.fixture(params=[Varnish, NginxCache])
def server(request: pytest.FixtureRequest, tmp_path: Path, origin: CacheOrigin) -> Iterator[CacheServer]:
    """Return a cache before it."""
    server: CacheServer = request.param(tmp_path / "cache", origin.port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def send(server: CacheServer, method: str, path: str, source: str = "127.0.0.1", **headers: str) -> int:
    """Send a request from an address; return the status."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60, source_address=(source, 0))
    try:
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def purges(server: CacheServer) -> list[tuple[str, str]]:
    """Return the method and the path of each request that might purge a picture."""
    by_path = [("PURGE", f"{HOME}/w5.jpg")]
    if isinstance(server, Varnish):
        return [*by_path, ("BAN", "/")]
    return [*by_path, ("GET", f"/.imaged-purge{HOME}/w5.jpg"), ("PURGE", f"/.imaged-purge{HOME}/w5.jpg")]


def test_other_machines_may_not_purge(server: CacheServer, origin: CacheOrigin) -> None:
    """A purge from an address that the example does not list is refused, and removes nothing."""
    cache = FilledCache(server, origin)
    wait(cache.keep(TAG, f"{HOME}/w5.jpg"))
    for method, path in purges(server):
        assert send(server, method, path, ELSEWHERE, Cache_Tag=TAG) in {403, 404, 405}
        assert wait(cache.keeps(f"{HOME}/w5.jpg"))


def test_an_internal_path_is_none_for_clients(server: CacheServer, origin: CacheOrigin) -> None:
    """A GET never purges, whatever its path."""
    cache = FilledCache(server, origin)
    wait(cache.keep(TAG, f"{HOME}/w5.jpg"))
    assert send(server, "GET", f"/.imaged-purge{HOME}/w5.jpg") == 404
    assert wait(cache.keeps(f"{HOME}/w5.jpg"))


def test_a_tag_is_no_expression(server: CacheServer, origin: CacheOrigin) -> None:
    """A text that is no tag removes nothing."""
    cache = FilledCache(server, origin)
    wait(cache.keep(TAG, f"{HOME}/w5.jpg"))
    for text in ("p-", ".", f"{TAG} || obj.status == 200", f"{TAG[:-1]}", "p-.*"):
        assert send(server, "BAN", "/", Cache_Tag=text) >= 400
        assert wait(cache.keeps(f"{HOME}/w5.jpg"))


def test_browsers_do_not_see_the_tags(server: CacheServer, origin: CacheOrigin) -> None:
    """The cache removes both headers, from hits and from misses."""
    wait(FilledCache(server, origin).keep(TAG, f"{HOME}/w5.jpg"))
    for path in (f"{HOME}/w5.jpg", f"{HOME}/w6.jpg"):
        origin.tags[path] = TAG
        status, headers = server.get(path)
        assert status == 200
        assert not {"cache-tag", "surrogate-key"} & headers.keys()


def test_a_cache_names_its_clients(server: CacheServer, origin: CacheOrigin) -> None:
    """Without X-Forwarded-For, imaged would take a cache of its own machine for a program that may write."""
    send(server, "GET", f"{HOME}/w5.jpg", ELSEWHERE)
    (client,) = origin.clients
    assert client is not None
    assert client.split(", ")[-1] == ELSEWHERE


def test_formats_have_copies_and_one_purge(server: CacheServer, origin: CacheOrigin) -> None:
    """Clients of the same formats share a copy of an `.auto` output, and one PURGE removes all of them."""
    path = f"{HOME}/w5.auto"
    origin.tags[path] = TAG
    accepts = (
        "image/avif,image/webp,*/*",
        "image/avif, image/webp;q=0.8",
        "image/webp",
        "image/avif",
        "*/*",
        "image/png",
    )
    for accept in accepts * 2:
        assert server.get(path, headers={"Accept": accept})[0] == 200
    assert len(origin.asked) == 4
    assert send(server, "PURGE", path) == 200
    del origin.tags[path]
    assert {server.get(path, headers={"Accept": accept})[0] for accept in accepts} == {404}


def test_a_picture_is_removed_by_hand(tmp_path: Path, origin: CacheOrigin) -> None:
    """The command of the page finds the files of one picture in the cache of nginx."""
    (command,) = re.findall(r"^    (grep -rla.*)$", PAGE, re.MULTILINE)
    server = NginxCache(tmp_path / "cache", origin.port)
    server.start()
    try:
        cache = FilledCache(server, origin)
        other = HOME.replace("f84", "f85")
        for path in (f"{HOME}/w5.jpg", f"{HOME}/original", f"{other}/w5.jpg"):
            wait(cache.keep(TAG, path))
        subprocess.run(
            ["sh", "-c", command.replace("/var/cache/nginx/imaged", str(server.folder / "cache"))], check=True
        )
        assert [wait(cache.keeps(f"{HOME}/{name}")) for name in ("w5.jpg", "original")] == [False, False]
        assert wait(cache.keeps(f"{other}/w5.jpg"))
    finally:
        server.stop()


def test_browsers_may_keep_less_than_varnish(
    tmp_path: Path, origin: CacheOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line of the page, Varnish keeps an answer for a year, and browsers for an hour."""
    (line,) = re.findall(r"^    (if \(resp\.http\.Cache-Control.*)$", PAGE, re.MULTILINE)
    read = Path.read_text

    def changed(path: Path, *args: str) -> str:
        text = read(path, *args)
        return (
            text.replace("sub vcl_deliver {", f"sub vcl_deliver {{\n{line}\n") if path.name == "varnish.vcl" else text
        )

    monkeypatch.setattr(Path, "read_text", changed)
    server = Varnish(tmp_path / "cache", origin.port)
    server.start()
    try:
        wait(FilledCache(server, origin).keep(TAG, f"{HOME}/w5.jpg"))
        assert server.get(f"{HOME}/w5.jpg")[1]["cache-control"] == "public, max-age=3600"
    finally:
        server.stop()
