"""Durable jobs after a crash, one render for many clients, hostile paths, and reloads."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from daemon import Daemon, until
from loopback_origin import Origin
from PIL import Image

from imaged.testing.pictures import make_jpeg

FIVE = ["x300.jpg", "x300.webp", "w200.png", "100x50.gif", "full_size-q50.webp"]


def large_jpeg() -> bytes:
    """Return a picture that takes a while to decode."""
    body = io.BytesIO()
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(body, "JPEG", quality=90)
    return body.getvalue()


def test_kill_after_a_post(make_daemon: Callable[..., Daemon]) -> None:
    """Queued outputs appear after SIGKILL and a new start, without requests for them."""
    daemon = make_daemon()
    answer = daemon.post(f"/p?outputs={','.join(FIVE)}", large_jpeg())
    daemon.kill()
    info = answer.json()
    folder = daemon.store / "p" / info["partitionedHash"]
    before = [name for name in FIVE if (folder / name).exists()]
    daemon.start()
    daemon.wait_for_files(info, FIVE)
    assert len(before) < len(FIVE), "the kill came too late to show anything"
    for name in FIVE:
        Image.open(io.BytesIO((folder / name).read_bytes())).load()
    until(lambda: not any((daemon.store / ".incoming").iterdir()), daemon)  # the health check has some for a moment


def test_fifty_clients_one_render(make_daemon: Callable[..., Daemon]) -> None:
    """Fifty simultaneous requests for one new output cost one render, and get equal bytes."""
    daemon = make_daemon()
    digits = daemon.post("/p", large_jpeg()).json()["hash"]
    before = daemon.status()["processing"]["total"]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: daemon.get(f"/p/{digits}/w300.jpg"), range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert daemon.status()["processing"]["total"] == before + 1


def test_work_is_seen(make_daemon: Callable[..., Daemon], origin: Origin) -> None:
    """The status names a slow download and a long render while they run."""
    daemon = make_daemon("sources: {allow_networks: [127.0.0.0/8], timeout_s: 60}\n")
    origin.pictures["a.jpg"] = large_jpeg()
    digits = daemon.post("/p", origin.pictures["a.jpg"]).json()["hash"]
    with ThreadPoolExecutor(2) as pool:
        fetch = pool.submit(daemon.post, f"/p?source={quote(f'{origin.url}/slow/a.jpg', safe='')}")
        while not daemon.status()["downloads"]["items"]:
            assert not fetch.done()
        render = pool.submit(daemon.get, f"/p/{digits}/full_size.webp")
        seen = []
        while not render.done():
            status = daemon.status()
            seen += [(status["downloads"], item) for item in status["processing"]["items"]]
        origin.release.set()
        assert (render.result().status, fetch.result().status) == (200, 200)
    assert {(item["namespace"], item["hash"], item["output"]) for _, item in seen} == {("p", digits, "full_size.webp")}
    for downloads, _ in seen:
        assert downloads["current"] == 1
        assert downloads["items"][0]["url"] == f"{origin.url}/slow/a.jpg"


def test_hostile_paths(make_daemon: Callable[..., Daemon]) -> None:
    """No path leads out of the store: each is 404, and no file appears."""
    daemon = make_daemon()
    digits = daemon.post("/p", make_jpeg()).json()["hash"]
    before = kept(daemon)
    for target in (
        "/p/../../etc/passwd",
        "/p/%2e%2e/%2e%2e/etc/passwd",
        f"/p/{digits}/../../../../imaged.yaml",
        f"/p/{digits}/..%2f..%2fimaged.yaml",
        f"/p/{digits}/x300.jpg%00.png",
        f"/p/{digits}/{'w' * 10_000}.jpg",
        f"/p/{'a' * 10_000}/x300.jpg",
        f"/P/{digits}/x300.jpg",
        f"/p-q/{digits}/x300.jpg",
        f"/.incoming/{digits}/x300.jpg",
        f"/p/{digits}//x300.jpg",
        "/",
        "//",
        "/%",
    ):
        answer = daemon.get(target)
        assert answer.status == 404, target
        assert "error" in answer.json()
    for namespace in ("P", "..", "a-b", "%2e%2e", "a" * 10_000):
        assert daemon.post(f"/{namespace}", make_jpeg()).status == 404
    assert kept(daemon) == before


def kept(daemon: Daemon) -> list[Path]:
    """Return what is in the store, but for the temporary files that the health check writes."""
    return sorted(each for each in daemon.store.rglob("*") if ".incoming" not in each.parts)


def test_reload_and_leave(make_daemon: Callable[..., Daemon]) -> None:
    """SIGHUP applies a good file and nothing of a bad one, and SIGTERM ends the daemon with status 0."""
    daemon = make_daemon("images: {maximum_width: 100}\n")
    digits = daemon.post("/p", make_jpeg()).json()["hash"]
    assert daemon.get(f"/p/{digits}/w200.jpg").status == 406
    (daemon.folder / "imaged.yaml").write_text("images: {maximum_width: 300}\n")
    assert daemon.hup()["ok"] is True
    assert daemon.get(f"/p/{digits}/w200.jpg").status == 200
    (daemon.folder / "imaged.yaml").write_text("images: {maximum_width: 50}\nuploader: nothing\n")
    outcome = daemon.hup()
    assert outcome["ok"] is False
    assert outcome["errors"][0].startswith("imaged.yaml:2: uploader: ")
    assert daemon.get(f"/p/{digits}/w201.jpg").status == 200
    assert daemon.stop() == 0
