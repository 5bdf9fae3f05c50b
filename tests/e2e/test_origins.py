"""Sites, buckets and folders move in, and what was seen outlives them."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from daemon import Daemon, request, until
from loopback_origin import Origin
from nginx_server import nginx_before
from nginx_site import NginxSite
from rclone import RcloneS3

from imaged.testing.pictures import make_jpeg, make_png

MakeDaemon = Callable[..., Daemon]
PICTURES = 200


def settings(ttl_s: float = 86_400, **origin: object) -> str:
    """Return settings with one origin."""
    return yaml.safe_dump({"origins": {"shop": {"namespace": "p", "ttl_s": ttl_s, **origin}}})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NginxSite]:
    """Return a site that runs."""
    site = NginxSite(tmp_path / "nginx")
    site.start()
    yield site
    site.stop()


def fill(media: Path) -> dict[str, bytes]:
    """Put pictures into a folder; return them by the paths of their URLs."""
    pictures = {}
    for number in range(PICTURES):
        body = make_png(40, 30, comment=f"{number}")
        name = f"box {number % 7}/é+{number}.png"
        path = media / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        pictures[quote(name)] = body
    return pictures


def get_all(daemon: Daemon, paths: list[str], name: str) -> dict[str, tuple[int, bytes]]:
    """Get a file of each path by four clients; return the status and the body of each answer."""
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda path: daemon.get(f"/p/@shop/{path}/{name}"), paths)
        return {path: (answer.status, answer.body) for path, answer in zip(paths, answers, strict=True)}


def test_what_was_seen_outlives_its_site(make_daemon: MakeDaemon, site: NginxSite) -> None:
    """A site of 200 pictures ends when half of them were asked for.

    Those stay, over `kill -9`, and when their time is over: as originals, and as outputs that are rendered later. Each
    picture cost the site one request.
    """
    pictures = fill(site.media)
    paths = list(pictures)
    seen, unseen = paths[: PICTURES // 2], paths[PICTURES // 2 :]
    daemon = make_daemon(settings(url=site.media_url))
    assert {status for status, _ in get_all(daemon, seen, "x20.jpg").values()} == {200}
    assert site.answers() == {(200, False): len(seen)}
    site.stop()
    daemon.kill()
    daemon.start("origins.shop.ttl_s=0")
    assert get_all(daemon, seen, "original") == {path: (200, pictures[path]) for path in seen}
    assert {status for status, _ in get_all(daemon, seen, "w10.png").values()} == {200}
    assert {status for status, _ in get_all(daemon, unseen[:20], "x20.jpg").values()} == {502}
    fault = daemon.status()["origins"][0]
    assert fault["failed"] > 0
    assert "refuses the connection" in fault["fault"]
    site.start()
    until(lambda: daemon.get(f"/p/@shop/{unseen[0]}/original").status == 200, daemon)
    assert "origin shop answers again" in daemon.log.read_text()


def test_each_path_is_asked_for_once_in_its_time(make_daemon: MakeDaemon, site: NginxSite) -> None:
    """After it, one conditional request renews a path: 304 for a picture that stays, 200 for another one."""
    pictures = fill(site.media)
    paths = list(pictures)[:20]
    daemon = make_daemon(settings(url=site.media_url))
    for name in ("x20.jpg", "w10.png", "original"):
        get_all(daemon, paths, name)
    assert site.answers() == {(200, False): 20}
    daemon.kill()
    changed = make_png(33, 33, comment="changed")
    (site.media / "box 0" / "é+0.png").write_bytes(changed)
    (site.media / "box 1" / "é+1.png").unlink()
    daemon.start("origins.shop.ttl_s=3600")
    get_all(daemon, paths, "original")
    assert site.answers() == {(200, False): 20}
    daemon.kill()
    daemon.start("origins.shop.ttl_s=0")
    assert get_all(daemon, paths, "original") == {path: (200, pictures[path]) for path in paths}
    asked = {(200, False): 20, (304, True): 18, (200, True): 1, (404, True): 1}
    until(lambda: site.answers() == asked, daemon)
    until(lambda: daemon.get(f"/p/@shop/{paths[0]}/original").body == changed, daemon)
    until(lambda: daemon.get(f"/p/@shop/{paths[1]}/original").status == 404, daemon)


def test_kills_leave_nothing_half(make_daemon: MakeDaemon, site: NginxSite) -> None:
    """The daemon is killed six times while eight clients move the site in: each answer is whole, and so is each record.

    What a killed daemon has left is fetched, or removed, by the next one.
    """
    pictures = fill(site.media)
    left = set(pictures)
    daemon = make_daemon(settings(url=site.media_url))

    def get(path: str) -> str | None:
        try:
            answer = daemon.get(f"/p/@shop/{path}/original")
        except (OSError, http.client.HTTPException):  # it was killed
            return None
        assert (answer.status, answer.body) == (200, pictures[path])
        return path

    for kills in range(7):
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(get, path) for path in sorted(left)]
            if kills < 6:
                wait(waiting[:12])
                daemon.kill()
            left -= {each.result() for each in waiting}
        if kills < 6:
            daemon.start()
    assert not left
    records = [json.loads(path.read_text()) for path in (daemon.store / ".origins").rglob("*.json")]
    assert {quote(each["path"]): each["hash"] for each in records} == {
        path: hashlib.md5(body).hexdigest() for path, body in pictures.items()
    }
    until(lambda: not list((daemon.store / ".incoming").iterdir()), daemon)
    assert get_all(daemon, list(pictures), "original") == {path: (200, body) for path, body in pictures.items()}


def test_many_clients_of_an_unseen_path_cost_one_fetch(make_daemon: MakeDaemon, origin: Origin) -> None:
    """24 clients wait for a slow site, which gets one request."""
    origin.pictures["a.png"] = make_png(200, 200, comment="x" * 5000)
    daemon = make_daemon(settings(url=f"{origin.url}/slow"))
    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(daemon.get, "/p/@shop/a.png/x30.jpg") for _ in range(24)]
        until(lambda: daemon.status()["requests"]["current"] == 24, daemon)
        until(lambda: daemon.status()["downloads"]["items"], daemon)
        origin.release.set()
        assert {each.result().status for each in waiting} == {200}
    assert origin.hits == {"/slow/a.png": 1}


def test_a_folder_moves_in(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """Its pictures are served by their paths, without links; changes are seen after the time."""
    pictures = fill(tmp_path)
    paths = list(pictures)[:20]
    (tmp_path / "link.jpg").symlink_to("box 0/é+0.png")
    (tmp_path / "up").symlink_to("..")
    daemon = make_daemon(settings(ttl_s=0, path=str(tmp_path)))
    assert get_all(daemon, paths, "original") == {path: (200, pictures[path]) for path in paths}
    for path in ("link.jpg", f"up/{tmp_path.name}/{paths[0]}", "missing.jpg", "box%200"):
        assert (path, daemon.get(f"/p/@shop/{path}/original").status) == (path, 404)
    changed = make_png(33, 33, comment="changed")
    (tmp_path / "box 0" / "é+0.png").write_bytes(changed)
    until(lambda: daemon.get(f"/p/@shop/{paths[0]}/original").body == changed, daemon)
    tmp_path.rename(tmp_path.with_name("away"))
    assert daemon.get(f"/p/@shop/{paths[1]}/original").status == 200
    until(lambda: daemon.status()["origins"][0]["fault"], daemon)
    assert daemon.get(f"/p/@shop/{paths[1]}/original").status == 200
    tmp_path.with_name("away").rename(tmp_path)


REWRITE = """
    location /media/ {
        rewrite ^/media/(.*)$ /p/@shop/$1/w20.png break;
        proxy_pass http://imaged;
    }
"""


def test_paths_pass_through_nginx(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    """Nginx leaves the path as it is. It may also give old URLs to the origin, whose names it decodes and encodes."""
    pictures = fill(tmp_path)
    paths = list(pictures)[:5]
    daemon = make_daemon(settings(path=str(tmp_path)))

    def with_old_urls(text: str) -> str:
        place = text.index("    location ")
        return f"{text[:place]}{REWRITE}{text[place:]}"

    with nginx_before(daemon, with_old_urls) as front:
        for path in paths:
            answer = request(front, "GET", f"/p/@shop/{path}/original")
            assert (answer.status, answer.body) == (200, pictures[path])
            rendered = request(front, "GET", f"/media/{path}")
            assert (rendered.status, rendered.headers["content-type"]) == (200, "image/png")
        for path in ("../secret", "%2e%2e/secret", "..%2fsecret", "%252e%252e/secret", "a//b"):
            assert (path, request(front, "GET", f"/p/@shop/{path}/original").status) in {(path, 400), (path, 404)}


def test_a_bucket_moves_in(make_daemon: MakeDaemon, rclone_s3: RcloneS3) -> None:
    """An origin reads another bucket than that of the uploader, and its originals go to that of the uploader."""
    old, new = rclone_s3.make_bucket(), rclone_s3.make_bucket()
    body = make_jpeg()
    client = rclone_s3.client()
    client.put_object(Bucket=old, Key="public/photos/a b/é+1.jpg", Body=body)
    origin = {"plugin": "s3", "options": rclone_s3.options(old), "base_path": "public/photos", "namespace": "p"}
    daemon = make_daemon(
        yaml.safe_dump({"origins": {"shop": origin}, "uploader": "s3", "plugins": {"s3": rclone_s3.options(new)}})
    )
    path = f"/p/@shop/{quote('a b/é+1.jpg')}"
    answer = daemon.get(f"{path}/original")
    assert (answer.status, answer.body) == (200, body)
    digest = hashlib.md5(body).hexdigest()
    kept = client.get_object(Bucket=new, Key=f"p/{digest[:3]}/{digest[3:6]}/{digest[6:]}/original")
    assert kept["Body"].read() == body
    assert daemon.get("/p/@shop/missing.jpg/original").status == 404
    client.put_object(Bucket=old, Key="public/photos/large.jpg", Body=bytes(3_000_000))
    daemon.kill()
    daemon.start("origins.shop.ttl_s=0", "sources.maximum_bytes=2000000")
    assert daemon.get("/p/@shop/large.jpg/original").status == 413
    assert daemon.get(f"{path}/original").body == body
    until(lambda: daemon.status()["origins"][0]["unchanged"] == 1, daemon)
    client.delete_object(Bucket=old, Key="public/photos/a b/é+1.jpg")
    daemon.kill()
    daemon.start("origins.shop.ttl_s=0")
    assert daemon.get(f"{path}/x20.jpg").status == 200
    until(lambda: daemon.get(f"{path}/x20.jpg").status == 404, daemon)
    client.close()
    origins = [each["detail"] for each in daemon.status()["plugins"] if each["kind"] == "origin"]
    assert len(origins) == 1
    assert origins[0].startswith(f"shop: s3://{old} at ")
