"""Attacks: each fails its own request only, and the daemon serves on."""

from __future__ import annotations

import io
import socket
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest
from daemon import Daemon, until
from PIL import Image
from processes import cpu_s

from imaged.testing.pictures import make_jpeg

RAW_PROFILE = b"Raw profile type 8bim\0\n8bim\n  -5\n41414141"


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*extra: bytes) -> bytes:
    """Return a good PNG of 10x10 pixels with more chunks after its header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(310)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def noise(width: int, height: int) -> bytes:
    """Return a picture that takes a while to encode."""
    body = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(body, "JPEG", quality=90)
    return body.getvalue()


def send(daemon: Daemon, data: bytes) -> socket.socket:
    """Send bytes to the public port as they are."""
    url = urlsplit(daemon.public)
    connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=20)
    connection.sendall(data)
    return connection


def first_line(daemon: Daemon, target: bytes) -> bytes:
    """Return the status line of the answer to a GET."""
    with send(daemon, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        return connection.recv(100).partition(b"\r\n")[0]


def test_texts_in_a_png(make_daemon: Callable[..., Daemon]) -> None:
    """The daemon unpacks no gigabyte of compressed text, and keeps a text that crashes ImageMagick away from it."""
    daemon = make_daemon()
    bombs = [chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20), 9))] * 1000
    began_s = cpu_s(daemon.pid)
    for body in (png(*bombs), png(chunk(b"tEXt", RAW_PROFILE)), png(chunk(b"zTXt", b"a\0\0x"))):
        info = daemon.post("/p?outputs=x5.jpg", body).json()
        assert daemon.get(f"/p/{info['hash']}/full_size.webp").status == 200
        daemon.wait_for_files(info, ["x5.jpg"])
    assert cpu_s(daemon.pid) - began_s < 10
    assert daemon.get("/status_check").status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 10_000_000, 413),
        (b"\xff\xd8\xff" + b"\xff\x00" * 20_000_000, 415),
        (png(chunk(b"aBCd", b"") * 1_000_000), 413),
        (b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + b"!\xf9\x00" * 15_000_000, 413),
    ],
    ids=["jpeg", "jpeg without any", "png", "gif"],
)
def test_millions_of_empty_parts(make_daemon: Callable[..., Daemon], body: bytes, status: int) -> None:
    """The daemon refuses a file of empty parts, and one without parts, after bounded work."""
    daemon = make_daemon()
    began_s = cpu_s(daemon.pid)
    assert daemon.post("/p", body).status == status
    assert cpu_s(daemon.pid) - began_s < 5


def test_outputs_that_take_too_long(make_daemon: Callable[..., Daemon]) -> None:
    """Thirty outputs that exceed the render timeout cost far less than thirty timeouts."""
    daemon = make_daemon("", "render.timeout_s=1", "render.concurrency=1")
    digits = daemon.post("/p", noise(3000, 2000)).json()["hash"]
    began_s = cpu_s(daemon.pid)
    names = ",".join(f"full_size-q{quality}.gif" for quality in range(1, 31))
    rows = daemon.post(f"/p/{digits}/process?outputs={names}").json()["outputs"]
    assert cpu_s(daemon.pid) - began_s < 15
    assert {row["status"] for row in rows} == {503}


def test_processing_is_refused_when_too_much_waits(make_daemon: Callable[..., Daemon]) -> None:
    """`process` requests count against `render.queue`, too."""
    daemon = make_daemon("", "render.queue=1", "render.concurrency=1")
    body = noise(1000, 800)
    digits = [daemon.post("/p", body + bytes([number])).json()["hash"] for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(daemon.post, f"/p/{each}/process?outputs=full_size.webp") for each in digits]
    answers = [each.result() for each in calls]
    assert {answer.status for answer in answers} == {200, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)


def test_clients_that_do_not_wait(make_daemon: Callable[..., Daemon]) -> None:
    """A client that disconnects during its post leaves no file, no descriptor and no traceback."""
    daemon = make_daemon()
    body = make_jpeg() + bytes(5_000_000)
    for number in range(30):
        length = len(body) + 1
        send(
            daemon, b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length + body + bytes([number])
        ).close()
    until(lambda: not any((daemon.store / ".incoming").iterdir()), daemon)
    assert daemon.post("/p", make_jpeg()).status == 200
    assert "Traceback" not in daemon.log.read_text()


def test_signatures_stay_out_of_the_log(make_daemon: Callable[..., Daemon]) -> None:
    """The log has the address of a source without its query and its password."""
    daemon = make_daemon()
    for source in ("http://127.0.0.1:1/a.jpg?Signature=SECRET", "http://a:SECRET@127.0.0.1/a.jpg"):
        assert daemon.post(f"/p?outputs=x1.jpg&source={quote(source, safe='')}").status in (400, 403)
    log = until(lambda: (text := daemon.log.read_text()).count('"imaged.access"') == 2 and text, daemon)
    assert "http://127.0.0.1:1/a.jpg" in log
    assert "SECRET" not in log


def test_targets_in_other_forms(make_daemon: Callable[..., Daemon]) -> None:
    """The target of a request may be an absolute URL; other targets without a leading slash are 400."""
    daemon = make_daemon()
    assert first_line(daemon, b"http://x/status_check") == b"HTTP/1.1 200 OK"
    for target in (b"x/status_check", b"*", b"ftp://x/status_check", b"x:80"):
        assert first_line(daemon, target) == b"HTTP/1.1 400 Bad Request"
