"""info.json through the real daemon: what it tells of a picture, in old records too, and what it never tells."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from daemon import Daemon
from drawn_pictures import jpeg, scene
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

FACTS = ["hash", "partitionedHash", "width", "height", "content_type", "size", "sha256"]
DETAILS = [
    "frames", "transparency", "orientation", "profile", "thumbhash", "average_color", "dominant_color", "dhash",
    "focal_point",
]  # fmt: skip
SECRET = "BERLIN-5231N-1324E"
PHOTO = jpeg(scene(), 6)
HASH = hashlib.md5(PHOTO).hexdigest()
PATH = f"{HASH[:3]}/{HASH[3:6]}/{HASH[6:]}"


def file_of(daemon: Daemon, name: str) -> Path:
    """Return the path of a file of the photograph in the store."""
    return daemon.store / "p" / PATH / name


def records(daemon: Daemon) -> dict[Path, Any]:
    """Return each record of the store."""
    return {path: json.loads(path.read_bytes()) for path in daemon.store.rglob("info.json")}


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_every_answer_tells_the_details(make_daemon: Callable[..., Daemon], isolation: str) -> None:
    """POST, info.json and process tell the same, after the keys that were there before; the file has it, too."""
    daemon = make_daemon(f"render: {{isolation: {isolation}}}")
    posted = daemon.post("/p", PHOTO).json()
    assert list(posted) == [*FACTS, *DETAILS, "outputs"]
    assert (posted["width"], posted["height"], posted["orientation"], posted["frames"]) == (800, 600, 6, 1)
    assert (posted["transparency"], posted["profile"]) == (False, None)
    assert list(posted["focal_point"]) == ["x_percent", "y_percent"]
    told = {name: posted[name] for name in (*FACTS, *DETAILS)}
    assert json.loads(file_of(daemon, "info.json").read_bytes()) == told
    for answer in (daemon.get(f"/p/{HASH}/info.json"), daemon.post(f"/p/{HASH}/process?outputs=w9.png")):
        assert {name: value for name, value in answer.json().items() if name != "outputs"} == told


OLDER = {
    "image-server 1.x": {"hash": HASH, "height": 600, "width": 800, "content_type": "image/jpeg"},
    "imaged": {
        "hash": HASH, "partitionedHash": PATH, "width": 800, "height": 600, "content_type": "image/jpeg",
        "size": len(PHOTO), "sha256": hashlib.sha256(PHOTO).hexdigest(),
    },
}  # fmt: skip


@pytest.mark.parametrize("older", OLDER)
@pytest.mark.parametrize("asked", ["info.json", "w90.auto", "60x90-gsm.jpg", "srcset?widths=90", "process"])
def test_an_older_record_is_completed(make_daemon: Callable[..., Daemon], older: str, asked: str) -> None:
    """The first requests that need the details write them into the record, which stays as it is from then on."""
    daemon = make_daemon()
    file_of(daemon, "original").parent.mkdir(parents=True)
    file_of(daemon, "original").write_bytes(PHOTO)
    file_of(daemon, "info.json").write_text(json.dumps(OLDER[older]))
    target = f"/p/{HASH}/{asked}"
    with ThreadPoolExecutor(4) as pool:
        send = daemon.post if asked == "process" else daemon.get
        answers = list(pool.map(send, [target + "?outputs=w9.png" if asked == "process" else target] * 4))
    assert [answer.status for answer in answers] == [200] * 4, answers[0].body
    complete = file_of(daemon, "info.json").read_bytes()
    assert list(json.loads(complete)) == [*FACTS, *DETAILS]
    again = daemon.get(f"/p/{HASH}/info.json").json()
    assert {name: again[name] for name in DETAILS} == {name: json.loads(complete)[name] for name in DETAILS}
    assert file_of(daemon, "info.json").read_bytes() == complete


def located(format: str) -> bytes:
    """Return a picture whose metadata say, in each way that the format has, where it was taken."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8298] = 6, SECRET, SECRET
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 18.0)
    place[27] = place[28] = b"ASCII\x00\x00\x00" + SECRET.encode()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{SECRET}</x:xmpmeta>".encode()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    how: dict[str, Any] = {"exif": exif, "icc_profile": profile}
    if format == "PNG":
        how["pnginfo"] = PngInfo()
        how["pnginfo"].add_text("Location", SECRET)
        how["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    else:
        how |= {"xmp": xmp} if format == "WEBP" else {"xmp": xmp, "comment": SECRET.encode()}
    body = io.BytesIO()
    scene(400, 300).save(body, format, **how)
    assert body.getvalue().count(SECRET.encode()) >= 3
    return body.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_no_answer_tells_a_place(make_daemon: Callable[..., Daemon], format: str) -> None:
    """Neither answers nor the record nor an output nor the log have a word of the metadata; the original has them."""
    daemon = make_daemon()
    body = located(format)
    posted = daemon.post("/p?outputs=w90.jpg,w90.png", body)
    hash = posted.json()["hash"]
    daemon.wait_for_files(posted.json(), ["w90.jpg", "w90.png"])
    answers = [
        posted,
        daemon.get(f"/p/{hash}/info.json"),
        daemon.post(f"/p/{hash}/process?outputs=w80.webp"),
        *(daemon.get(f"/p/{hash}/{name}") for name in ("srcset?widths=90", "full_size.webp", "w90.jpg", "x90-gsm.gif")),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers)
    assert daemon.get(f"/p/{hash}/original").body == body
    written = [path.read_bytes() for path in daemon.store.rglob("*") if path.is_file() and path.name != "original"]
    state = [path.read_bytes() for path in (daemon.folder / "var" / "state").rglob("*") if path.is_file()]
    for text in [*(answer.body for answer in answers), *written, *state, daemon.log.read_bytes()]:
        assert SECRET.encode() not in text
    (record,) = records(daemon).values()
    assert list(record) == [*FACTS, *DETAILS]
    assert record["orientation"] == 6
    assert "sRGB" in record["profile"]


def test_info_tells_a_transparent_pixel_that_an_average_hides(make_daemon: Callable[..., Daemon]) -> None:
    """One transparent pixel of a million makes `transparency` true, so that `.auto` does not lose it."""
    daemon = make_daemon("images: {auto_formats: []}")
    image = Image.new("RGBA", (1000, 1000), (200, 40, 40, 255))
    opaque, pierced = io.BytesIO(), io.BytesIO()
    image.save(opaque, "PNG")
    image.putpixel((500, 500), (200, 40, 40, 0))
    image.save(pierced, "PNG")
    for body, transparency, content_type in ((opaque, False, "image/jpeg"), (pierced, True, "image/png")):
        info = daemon.post("/p", body.getvalue()).json()
        assert info["transparency"] is transparency
        assert daemon.get(f"/p/{info['hash']}/w50.auto").headers["content-type"] == content_type
