"""`etc/nginx.conf`: nginx serves what is stored, and passes the rest on to the daemon."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from daemon import Answer, Daemon, request, until
from nginx_server import nginx_before

from imaged.testing.pictures import make_jpeg

SAME = ("cache-control", "cache-tag", "content-type", "last-modified", "surrogate-key", "x-content-type-options")
"""Headers that a hit of nginx has in common with one of the daemon."""

PRIVATE = (
    "/.incoming/secret.jpg",
    "/p/../.incoming/secret.jpg",
    "/p/%2e%2e/%2eincoming/secret.jpg",
    "/p/00/..%2f..%2f.incoming/secret.jpg",
    "/p//../../etc/passwd",
    "/p/00/.hidden.jpg",
    "/p/00/secret.txt",
    "/p/00/",
    "/p/",
    "/",
)
"""Targets of files that are no outputs, and of folders."""


@dataclass(frozen=True)
class Front:
    """A daemon with one picture, at the path `home`, and nginx in front."""

    daemon: Daemon
    url: str
    home: str

    def get(self, target: str, **headers: str) -> Answer:
        """GET from nginx."""
        return request(
            self.url, "GET", target, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    def store(self, name: str) -> Answer:
        """Request an output until it is stored, and return the first answer."""
        answer = self.get(f"{self.home}/{name}")
        assert answer.status == 200, answer
        path = self.daemon.store / self.home.lstrip("/") / name
        until(path.exists, self.daemon)
        return answer

    def passed_on(self, target: str) -> int:
        """Return how many requests for a target the daemon has logged, after it has logged a later one."""
        checks = self.logged("/status_check")
        self.daemon.get("/status_check")
        until(lambda: self.logged("/status_check") > checks, self.daemon)
        return self.logged(target)

    def logged(self, target: str) -> int:
        """Return how many requests for a target the daemon has logged so far."""
        return self.daemon.log.read_text().count(f'"path": "{target}"')


@pytest.fixture
def front(make_daemon: Callable[..., Daemon]) -> Iterator[Front]:
    """Return a daemon with a picture that was posted through nginx."""
    daemon = make_daemon("access: {open: true}")
    with nginx_before(daemon) as url:
        answer = request(url, "POST", "/p", make_jpeg())
        assert answer.status == 200, answer
        yield Front(daemon, url, f"/p/{answer.json()['partitionedHash']}")


def test_a_miss_is_passed_on_and_its_file_is_served_by_nginx(front: Front) -> None:
    """The daemon renders an output for the first request, and sees no later one."""
    target = f"{front.home}/w24.jpg"
    miss = front.store("w24.jpg")
    assert miss.headers["x-request-id"]
    assert front.passed_on(target) == 1
    hits = [front.get(target) for _ in range(3)]
    assert {hit.body for hit in hits} == {miss.body}
    assert front.passed_on(target) == 1


def test_hits_of_nginx_have_the_headers_of_the_daemon(front: Front) -> None:
    """Type, caching and date of each format are the same, so clients and caches need not know who answered."""
    for name in ("w24.jpg", "w24.png", "x24.gif", "w24-q50.webp"):
        front.store(name)
        target = f"{front.home}/{name}"
        ours, theirs = front.daemon.get(target), front.get(target)
        assert "x-request-id" not in theirs.headers
        assert {each: theirs.headers[each] for each in SAME} == {each: ours.headers[each] for each in SAME}
        assert theirs.body == ours.body


def test_a_stored_avif_has_its_type(front: Front) -> None:
    """The list of types that comes with nginx lacks it in older versions."""
    file = front.daemon.store / front.home.lstrip("/") / "w24.avif"
    file.write_bytes(b"AVIF")
    answer = front.get(f"{front.home}/w24.avif")
    assert (answer.headers["content-type"], answer.body) == ("image/avif", b"AVIF")


def test_hits_of_nginx_can_be_conditional_and_partial(front: Front) -> None:
    """A hit of nginx is 304 for its own ETag and for the date, and 206 for a part."""
    body = front.store("w24.jpg").body
    target = f"{front.home}/w24.jpg"
    headers = front.get(target).headers
    assert front.get(target, If_None_Match=headers["etag"]).status == 304
    assert front.get(target, If_Modified_Since=front.daemon.get(target).headers["last-modified"]).status == 304
    part = front.get(target, Range="bytes=2-9")
    assert (part.status, part.body) == (206, body[2:10])


def test_files_that_are_no_outputs_are_the_daemons(front: Front) -> None:
    """info.json lists outputs that the file does not have; the type of an original is in no name."""
    front.store("w24.jpg")
    info = front.get(f"{front.home}/info.json")
    assert [each["name"] for each in info.json()["outputs"]] == ["w24.jpg"]
    original = front.get(f"{front.home}/original")
    assert (original.headers["content-type"], original.body) == ("image/jpeg", make_jpeg())
    assert front.passed_on(f"{front.home}/original") == 1


def test_only_outputs_are_served_from_the_disk(front: Front) -> None:
    """Unfinished and hidden files, other names and folders get the daemon's 404, or nginx's 400."""
    for path in (".incoming/secret.jpg", "p/00/.hidden.jpg", "p/00/secret.txt"):
        file = front.daemon.store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"SECRET")
    for target in PRIVATE:
        answer = front.get(target)
        assert answer.status in {400, 404, 405}, (target, answer)
        assert b"SECRET" not in answer.body


def test_the_hash_may_be_cut_anywhere(front: Front) -> None:
    """A URL that is not the path of the file is passed on."""
    front.store("w24.jpg")
    whole = f"/p/{front.home.removeprefix('/p/').replace('/', '')}/w24.jpg"
    assert front.get(whole).body == front.get(f"{front.home}/w24.jpg").body
    assert front.passed_on(whole) == 1


def test_errors_of_the_daemon_come_through(front: Front) -> None:
    """A refusal has the daemon's words, and no cache may keep it."""
    answer = front.get(f"{front.home}/w5000.jpg")
    assert (answer.status, answer.headers["cache-control"]) == (406, "no-store")
    assert "wider" in answer.json()["error"]


def test_a_body_goes_to_the_daemon_as_it_arrives(front: Front) -> None:
    """The client of a POST that the daemon refuses by its head gets the answer before it has sent the body."""
    url = urlsplit(front.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as client:
        client.sendall(b"POST /p?outputs=w5000.jpg HTTP/1.1\r\nHost: images\r\nContent-Length: 100000\r\n\r\nbegin")
        assert client.recv(12) == b"HTTP/1.1 406"


def test_a_client_that_names_no_host_is_answered(front: Front) -> None:
    """A health check by HTTP/1.0 has no Host header; the daemon gets one."""
    url = urlsplit(front.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as client:
        client.sendall(b"GET /status_check HTTP/1.0\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_body_that_is_too_large_gets_the_answer_of_the_daemon(make_daemon: Callable[..., Daemon]) -> None:
    """The daemon refuses the body by its length, and nginx passes that on."""
    daemon = make_daemon("sources: {maximum_bytes: 1000}\naccess: {open: true}")
    with nginx_before(daemon) as url:
        answer = request(url, "POST", "/p", bytes(1001))
    assert (answer.status, answer.headers["content-type"]) == (413, "application/json; charset=utf-8")
