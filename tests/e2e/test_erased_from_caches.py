"""Varnish and nginx before a daemon: what they keep of a picture is gone when it is erased."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cache_servers import CacheServer, NginxCache, Varnish
from daemon import Daemon, request, until

from imaged.testing.pictures import make_jpeg, make_png

NAMES = ("original", "info.json", "srcset", "w30.jpg", "x20.webp", "w30.auto", "hero.jpg")
SETTINGS = """
images: {{presets: {{hero: {{size: w33}}}}}}
purgers: [purge]
plugins: {{purge: {{urls: ["{url}"], method: {method}}}}}
"""
ROUNDS = 6
MOST_ANSWERS = 2000
"""How often a client asks at most: it leaves when a stale answer stays."""

WEBP = {"Accept": "image/webp,*/*"}


def cached_daemon(make_daemon: Callable[..., Daemon], cache: CacheServer, method: str) -> tuple[Daemon, str]:
    """Start a daemon, and a cache before it; return the daemon, and the path of a picture's files."""
    daemon = make_daemon(SETTINGS.format(url=cache.url, method=method))
    cache.address = urlsplit(daemon.public).port or 0
    cache.start()
    home = f"/p/{request(daemon.public, 'POST', '/p', make_jpeg()).json()['partitionedHash']}"
    return daemon, home


def hits(cache: CacheServer, daemon: Daemon, path: str, headers: dict[str, str] | None = None) -> bool:
    """Ask the cache twice; return whether the second answer came without the daemon."""
    for _ in range(2):
        before = daemon.status()["requests"]["total"]
        answer = request(cache.url, "GET", path, headers=headers)
        assert answer.status == 200, answer
    return bool(daemon.status()["requests"]["total"] == before)


@pytest.mark.parametrize(("kind", "method"), [(Varnish, "BAN"), (Varnish, "PURGE"), (NginxCache, "PURGE")])
def test_an_erased_picture_is_gone_from_a_cache(
    make_daemon: Callable[..., Daemon], tmp_path: Path, kind: type[CacheServer], method: str
) -> None:
    """After 204, the cache answers 410 for each file that it kept, and keeps the files of another picture."""
    cache = kind(tmp_path / "cache", 0)
    try:
        daemon, home = cached_daemon(make_daemon, cache, method)
        other = f"/p/{request(daemon.public, 'POST', '/p', make_png()).json()['partitionedHash']}"
        asked: list[tuple[str, dict[str, str]]] = [(f"{home}/{name}", {}) for name in NAMES] + [
            (f"{home}/w30.auto", WEBP),
            (f"{other}/w30.jpg", {}),
        ]
        kept = [(path, headers) for path, headers in asked if hits(cache, daemon, path, headers)]
        assert {path.rpartition("/")[2] for path, _ in kept} >= {
            "original",
            "w30.jpg",
            "x20.webp",
            "w30.auto",
            "hero.jpg",
        }
        assert request(daemon.public, "DELETE", home).status == 204
        for path, headers in asked[:-1]:
            assert request(cache.url, "GET", path, headers=headers).status == 410, path
        assert hits(cache, daemon, f"{other}/w30.jpg")
        assert any("purged p/" in line for line in daemon.tail.splitlines())
    finally:
        cache.stop()


def test_forgotten_outputs_are_made_again(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """After outputs are forgotten, the cache asks the daemon for them again."""
    cache = Varnish(tmp_path / "cache", 0)
    try:
        daemon, home = cached_daemon(make_daemon, cache, "PURGE")
        assert hits(cache, daemon, f"{home}/w30.jpg")
        rendered = daemon.status()["requests"]["rendered"]
        assert request(daemon.public, "DELETE", f"{home}/outputs").status == 204
        assert request(cache.url, "GET", f"{home}/w30.jpg").status == 200
        assert daemon.status()["requests"]["rendered"] == rendered + 1
    finally:
        cache.stop()


def test_a_cache_that_is_away_is_purged_later(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """While the cache is away, DELETE answers 202; the queue purges the cache when it is back, and the daemon, too."""
    cache = NginxCache(tmp_path / "cache", 0)
    try:
        daemon, home = cached_daemon(make_daemon, cache, "PURGE")
        assert hits(cache, daemon, f"{home}/w30.jpg")
        cache.stop()
        assert request(daemon.public, "DELETE", home).status == 202
        assert "is not purged yet" in daemon.tail
        daemon.kill()
        cache.start()
        assert request(cache.url, "GET", f"{home}/w30.jpg").status == 200  # from the disk of the cache
        with closing(sqlite3.connect(daemon.folder / "var" / "state" / "jobs.sqlite")) as db, db:
            assert db.execute("UPDATE jobs SET due_at = 0 WHERE kind = 'purge'").rowcount >= 3
        daemon.start(f"listen=tcp:{cache.address}:interface=127.0.0.1")
        until(lambda: request(cache.url, "GET", f"{home}/w30.jpg").status == 410, daemon)
    finally:
        cache.stop()


def test_no_answer_on_its_way_stays_in_a_cache(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Clients ask for a picture while it is erased, again and again: after the second purge, the cache has none of it.

    nginx keeps an answer when it has come to its end, so one that began before the erasure may come after the first
    purge.
    """
    cache = NginxCache(tmp_path / "cache", 0)
    try:
        daemon, _ = cached_daemon(make_daemon, cache, "PURGE")
        homes = []
        for number in range(ROUNDS):
            body = make_jpeg() + number.to_bytes(4, "big") * 500_000  # takes some reads of nginx
            home = f"/p/{request(daemon.public, 'POST', '/p', body).json()['partitionedHash']}"
            homes.append(home)
            with ThreadPoolExecutor(4) as clients:
                asking = [
                    clients.submit(ask_until_gone, cache, f"{home}/{name}") for name in ("original", "w30.jpg") * 2
                ]
                until(partial(kept, cache, home), daemon)
                assert request(daemon.public, "DELETE", home).status == 204
                assert sum(each.result() for each in asking) > 0
        with closing(sqlite3.connect(daemon.folder / "var" / "state" / "jobs.sqlite")) as db:
            with db:
                assert db.execute("UPDATE jobs SET due_at = 0 WHERE kind = 'purge'").rowcount >= 2 * ROUNDS
            until(lambda: db.execute("SELECT count(*) FROM jobs WHERE kind = 'purge'").fetchone() == (0,), daemon)
        for home in homes:
            assert kept(cache, home) == []
            assert request(cache.url, "GET", f"{home}/original").status == 410
    finally:
        cache.stop()


def kept(cache: CacheServer, home: str) -> list[Path]:
    """Return the files of a picture in the cache of nginx, whose heads have their keys."""
    files = [path for path in (cache.folder / "cache").rglob("?" * 32) if path.is_file()]
    return [path for path in files if home.encode() in path.read_bytes()[:1000]]


def ask_until_gone(cache: CacheServer, path: str) -> int:
    """Ask the cache until it answers 410, MOST_ANSWERS times at most; return how many answers had the picture."""
    found = 0
    for _ in range(MOST_ANSWERS):
        answer = request(cache.url, "GET", path)
        if answer.status == 410:
            break
        assert answer.status == 200
        found += 1
    return found
