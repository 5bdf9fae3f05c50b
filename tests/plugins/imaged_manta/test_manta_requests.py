"""The requests that the plugin sends to Manta."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from manta import MantaDouble
from manta_identity import md5_id
from manta_tree import Entry
from twisted.internet.defer import Deferred, gatherResults

from imaged.api import StoreError, StoreUnavailableError, TooLargeError
from imaged.testing.waiting import wait
from imaged_manta.uploader import MantaUploader

BODY = b"a picture, perhaps"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "file"
    path.write_bytes(BODY)
    return path


async def together(*coroutines: Any) -> Any:
    """Run coroutines concurrently."""
    return await gatherResults([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)


def test_an_object_has_headers(manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path) -> None:
    """An object has its content type, its MD5 and a Cache-Control."""
    wait(make_manta().upload("p/a b/ü~.jpg", file, "image/jpeg"))
    entry = manta.tree.entries["/poseidon/stor/images/p/a b/ü~.jpg"]
    assert (entry.body, entry.content_type) == (BODY, "image/jpeg")
    assert entry.headers == {"cache-control": "public, max-age=31536000, immutable"}
    sent = manta.received[-1].headers
    assert sent["content-md5"] == base64.b64encode(hashlib.md5(BODY).digest()).decode()
    assert sent["content-length"] == str(len(BODY))


def test_keys_may_have_any_characters(make_manta: Callable[..., MantaUploader], file: Path, tmp_path: Path) -> None:
    """Characters that are special in a URL are percent-encoded."""
    uploader = make_manta()
    keys = sorted(["p/a b", "p/a?b=c", "p/a#b", "p/a%2Fb", "p/a+b&c", "p/ü", "p/a;b"])
    for key in keys:
        wait(uploader.upload(key, file, "image/jpeg"))
        assert wait(uploader.download(key, tmp_path / "back"))
    assert wait(uploader.list("p/")) == keys
    wait(uploader.delete(keys))
    assert wait(uploader.list("p/")) == []


def test_directories_are_made_once(manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path) -> None:
    """Parents are made first, and once also for concurrent uploads to a new directory."""
    uploader = make_manta()
    wait(together(*(uploader.upload(f"p/f84/w{each}.jpg", file, "image/jpeg") for each in range(20))))
    wait(uploader.upload("p/f85/x.jpg", file, "image/jpeg"))
    made = [each.path for each in manta.received if "directory" in each.headers.get("content-type", "")]
    assert made == [f"/poseidon/stor/images{below}" for below in ("", "/p", "/p/f84", "/p/f85")]


@pytest.mark.parametrize("gone", ["/poseidon/stor/images/p/f84", "/poseidon/stor/images"])
def test_directories_that_vanish_are_made_again(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path, gone: str
) -> None:
    """A cached directory that another client removed is made again, be it the object's own or a parent."""
    uploader = make_manta()
    wait(uploader.upload("p/f84/1.jpg", file, "image/jpeg"))
    manta.tree.remove_tree(gone)
    wait(uploader.upload("p/f84/2.jpg", file, "image/jpeg"))
    manta.tree.remove_tree(gone)
    wait(uploader.upload("p/f84/new/3.jpg", file, "image/jpeg"))
    assert wait(uploader.list("p/")) == ["p/f84/new/3.jpg"]


def test_a_directory_is_no_key(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path, tmp_path: Path
) -> None:
    """A directory is not downloaded, listed or deleted, even if it is empty."""
    uploader = make_manta()
    wait(uploader.upload("p/f84/1.jpg", file, "image/jpeg"))
    del manta.tree.entries["/poseidon/stor/images/p/f84/1.jpg"]
    wait(uploader.delete(["p/f84", "p"]))
    assert manta.tree.entries["/poseidon/stor/images/p/f84"].is_directory
    assert wait(uploader.list("")) == []
    assert wait(uploader.download("p/f84", tmp_path / "back")) is False
    assert [path.name for path in tmp_path.iterdir() if "back" in path.name] == []


def test_empty_directories_of_a_hash_go_with_its_last_object(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path
) -> None:
    """Their names are its digits. That of the namespace stays, and those that have other objects; all may come back."""
    uploader = make_manta()
    home, near = "p/f84/0ee/339d264d4bab1b169a653b1a91", "p/f84/0ef/00000000000000000000000000"
    for _ in range(2):
        for key in (f"{home}/w5.jpg", f"{home}/original", f"{near}/original"):
            wait(uploader.upload(key, file, "image/jpeg"))
        wait(uploader.delete([f"{home}/w5.jpg"]))
        assert wait(uploader.list("p/")) == [f"{home}/original", f"{near}/original"]
        wait(uploader.delete([f"{home}/original"]))
        left = [path.removeprefix("/poseidon/stor/images/") for path in manta.tree.entries]
        assert sorted(left)[1:] == ["p", "p/f84", "p/f84/0ef", near, f"{near}/original"]
    wait(uploader.delete([f"{near}/original"]))
    assert sorted(manta.tree.entries) == ["/poseidon/stor/images", "/poseidon/stor/images/p"]


def test_a_directory_that_may_not_be_deleted_stays(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path
) -> None:
    """A policy may allow the deletion of objects alone: those are gone."""
    uploader = make_manta()
    wait(uploader.upload("p/f84/1.jpg", file, "image/jpeg"))
    manta.tree.refuse_directories = True
    wait(uploader.delete(["p/f84/1.jpg"]))
    assert wait(uploader.list("p/")) == []
    assert "/poseidon/stor/images/p/f84" in manta.tree.entries


def test_a_key_at_the_path_of_a_directory_is_refused(make_manta: Callable[..., MantaUploader], file: Path) -> None:
    """A key whose path is a directory is a StoreError of that key only."""
    uploader = make_manta()
    wait(uploader.upload("p/f84/1.jpg", file, "image/jpeg"))
    with pytest.raises(StoreError, match=r"refuses p/f84 \(400 OperationNotAllowedOnDirectory\)") as caught:
        wait(uploader.upload("p/f84", file, "image/jpeg"))
    assert not isinstance(caught.value, StoreUnavailableError)


def test_lists_go_over_pages_and_down(manta: MantaDouble, make_manta: Callable[..., MantaUploader]) -> None:
    """A list reads all pages of all directories below; in the first directory, only names with the prefix."""
    root = "/poseidon/stor/images"
    names = [f"p/{number:05}" for number in range(2500)] + [f"p/d{number}/x" for number in range(30)]
    for name in (root, f"{root}/p", *(f"{root}/p/d{number}" for number in range(30))):
        manta.tree.entries[name] = Entry(is_directory=True)
    for name in names:
        manta.tree.entries[f"{root}/{name}"] = Entry(is_directory=False)
    uploader = make_manta(concurrency=3)
    assert wait(uploader.list("p")) == sorted(names)
    assert wait(uploader.list("p/d1")) == sorted(f"p/{name}/x" for name in ("d1", *(f"d{n}" for n in range(10, 20))))
    assert wait(uploader.list("p/00001")) == ["p/00001"]
    assert {each.query["limit"] for each in manta.received} == {"1000"}
    assert manta.most_at_once <= 3


def test_concurrent_requests_are_limited(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], tmp_path: Path
) -> None:
    """All calls together run at most `concurrency` requests at a time."""
    uploader = make_manta(concurrency=2)
    manta.misbehave("slow", times=6)
    wait(together(*(uploader.download(f"p/{each}", tmp_path / str(each)) for each in range(6))))
    assert manta.most_at_once == 2


def test_a_user_signs_with_roles(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], private: rsa.RSAPrivateKey, file: Path
) -> None:
    """The keyId is `/account/user/keys/…`, and the roles are in a header."""
    manta.add_key(private, user="fred", roles=("writer", "reader"))
    wait(make_manta(user="fred", roles=["writer", "reader"]).upload("p/1", file, "image/jpeg"))
    sent = manta.received[-1].headers
    assert sent["role"] == "writer,reader"
    assert f'keyId="/poseidon/fred/keys/{md5_id(private)}",algorithm="rsa-sha256"' in sent["authorization"]


def test_a_zone_signs_nothing(file: Path, make_manta: Callable[..., MantaUploader]) -> None:
    """Requests of a compute zone have no signature."""
    zone = MantaDouble(unsigned_as="poseidon").start()
    try:
        uploader = make_manta(url=zone.url, key_id=None, key_file=None)
        wait(uploader.upload("p/1", file, "image/jpeg"))
        assert wait(uploader.list("p")) == ["p/1"]
        assert not any("authorization" in each.headers for each in zone.received)
        uploader.close()
    finally:
        zone.stop()


def test_keys_may_begin_with_the_root(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path, tmp_path: Path
) -> None:
    """Without a folder, keys begin with a root; others are refused with advice."""
    uploader = make_manta(folder="")
    wait(uploader.upload("public/images/1", file, "image/jpeg"))
    assert "/poseidon/public/images/1" in manta.tree.entries
    assert wait(uploader.list("public/im")) == ["public/images/1"]
    message = "Manta cannot store p/1: set remote.base_path to a folder below public/ or stor/"
    for call in (uploader.upload("p/1", file, "image/jpeg"), uploader.download("p/1", tmp_path / "back")):
        with pytest.raises(StoreUnavailableError, match=message):
            wait(call)


def test_a_closed_idle_connection_is_no_failure(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path
) -> None:
    """A request on a pooled connection that Manta has closed is retried."""
    uploader = make_manta()
    for number in range(3):
        wait(uploader.upload(f"p/{number}", file, "image/jpeg"))
        manta.drop_connections()
    assert len(wait(uploader.list("p"))) == 3


def test_an_unchanged_object_costs_a_304(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path, tmp_path: Path
) -> None:
    """The version is the ETag of Manta, which has no quotes; one request asks for another version."""
    uploader = make_manta()
    wait(uploader.upload("p/1", file, "image/jpeg"))
    etag = manta.tree.entries["/poseidon/stor/images/p/1"].etag
    manta.received.clear()
    assert wait(uploader.download_changed("p/1", tmp_path / "back", "another", 100)) == etag
    (tmp_path / "back").unlink()
    assert wait(uploader.download_changed("p/1", tmp_path / "back", etag, 1)) == etag
    assert not (tmp_path / "back").exists()
    assert manta.methods() == ["GET", "GET"]


@pytest.mark.parametrize("fault", ["", "unsized"])
def test_an_object_that_is_too_large_is_not_downloaded(
    manta: MantaDouble, make_manta: Callable[..., MantaUploader], file: Path, tmp_path: Path, fault: str
) -> None:
    """The length that Manta announces says so, or else the bytes that come."""
    uploader = make_manta()
    wait(uploader.upload("p/1", file, "image/jpeg"))
    if fault:
        manta.misbehave(fault, "GET")
    folder = tmp_path / "back"
    folder.mkdir()
    with pytest.raises(TooLargeError):
        wait(uploader.download_changed("p/1", folder / "file", "", len(BODY) - 1))
    assert list(folder.iterdir()) == []
