"""What every uploader must do, as a suite: subclass `UploaderContract` in your tests and give it your uploader.

    class TestMine(UploaderContract):
        @pytest.fixture
        def uploader(self) -> Uploader:
            return MyUploader(make_host("mine", {"bucket": "test"}))

It needs pytest. All its keys begin with a prefix of its own, so that a bucket in use will do; they are deleted in the
end. `wait` is how it waits for your coroutines: what is done at once is taken at once, and else the reactor runs until
it is done. Override `wait` if your tests run a reactor of another kind.
"""

# ruff: noqa: S101 -- a suite is made of assertions

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults

from imaged.api import StoreError, Uploader
from imaged.testing.pictures import make_jpeg
from imaged.testing.waiting import wait

JPEG_TYPE = "image/jpeg"
LARGE_BYTES = 6_000_000
"""More than what object stores take in one part."""

Wait = Callable[[Coroutine[Any, Any, Any]], Any]


class UploaderContract:
    """The suite. Override `uploader`, and `wait` where coroutines need another reactor than Twisted's own."""

    many = 30
    """How many keys are listed and deleted at once; a store that lists by pages wants more than one page."""

    @pytest.fixture
    def uploader(self) -> Uploader:
        """Return the uploader under test."""
        raise NotImplementedError("override the fixture `uploader`")

    @pytest.fixture
    def wait(self) -> Wait:
        """Return what runs a coroutine to its end and gives its result, or raises its error."""
        return wait

    @pytest.fixture
    def prefix(self, uploader: Uploader, wait: Wait) -> Iterator[str]:
        """Return the beginning of all keys of one test."""
        prefix = f"contract/{secrets.token_hex(8)}/p/f84/0ee/339d264d4bab1b169a653b1a91"
        yield prefix
        wait(uploader.delete(wait(uploader.list(prefix))))

    def test_is_an_uploader(self, uploader: Uploader) -> None:
        """It has every method of the contract."""
        assert isinstance(uploader, Uploader)

    def test_says_which_store_it_is(self, uploader: Uploader) -> None:
        """`identity` is a text that does not change by itself: what has been uploaded is remembered by it."""
        assert isinstance(uploader.identity, str)
        assert uploader.identity.strip()
        assert uploader.identity.isprintable()
        assert uploader.identity == uploader.identity

    @pytest.mark.parametrize("body", [make_jpeg(), b"", bytes(LARGE_BYTES)], ids=["picture", "empty", "large"])
    def test_gives_back_what_it_was_given(
        self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path, body: bytes
    ) -> None:
        """Byte for byte, whatever the size; the file that was uploaded stays as it is."""
        source = _file(tmp_path, "source", body)
        wait(uploader.upload(f"{prefix}/original", source, JPEG_TYPE))
        assert wait(uploader.download(f"{prefix}/original", tmp_path / "back")) is True
        assert (tmp_path / "back").read_bytes() == body
        assert source.read_bytes() == body

    def test_replaces_what_was_there(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A key holds what came last, also when that is shorter."""
        for body in (b"the first, which is longer", b"the second"):
            wait(uploader.upload(f"{prefix}/x300.jpg", _file(tmp_path, "source", body), JPEG_TYPE))
        wait(uploader.download(f"{prefix}/x300.jpg", tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == b"the second"
        assert list(wait(uploader.list(prefix))) == [f"{prefix}/x300.jpg"]

    def test_downloads_over_a_file_that_is_there(
        self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path
    ) -> None:
        """Whatever lay at the path is gone."""
        wait(uploader.upload(f"{prefix}/original", _file(tmp_path, "source", b"new"), JPEG_TYPE))
        back = _file(tmp_path, "back", b"something old and long")
        assert wait(uploader.download(f"{prefix}/original", back)) is True
        assert back.read_bytes() == b"new"

    def test_says_when_there_is_no_such_key(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """An unknown key is an answer, not an error, and leaves no file; neither is a part of a key a key."""
        wait(uploader.upload(f"{prefix}/original", _file(tmp_path, "source", b"a"), JPEG_TYPE))
        for key in (f"{prefix}/info.json", f"{prefix}/origina", f"{prefix}/original/more", f"{prefix}/no/such"):
            assert wait(uploader.download(key, tmp_path / "back")) is False
            assert not (tmp_path / "back").exists()

    def test_lists_keys_by_any_beginning(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """Every key that begins so, sorted; the beginning need not end with a part of the key."""
        source = _file(tmp_path, "source", b"a")
        for name in ("x600.jpg", "original", "x300.jpg"):
            wait(uploader.upload(f"{prefix}/{name}", source, JPEG_TYPE))
        named = [f"{prefix}/original", f"{prefix}/x300.jpg", f"{prefix}/x600.jpg"]
        assert list(wait(uploader.list(prefix))) == named
        assert list(wait(uploader.list(f"{prefix}/"))) == named
        assert list(wait(uploader.list(f"{prefix}/x"))) == named[1:]
        assert list(wait(uploader.list(f"{prefix}/original"))) == named[:1]
        assert list(wait(uploader.list(f"{prefix}/nothing"))) == []

    def test_lists_and_deletes_many(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """None is left out when a store answers by pages."""
        source = _file(tmp_path, "source", b"a")
        keys = [f"{prefix}/w{width_px}.jpg" for width_px in range(100, 100 + self.many)]
        wait(_all([uploader.upload(key, source, JPEG_TYPE) for key in keys]))
        assert list(wait(uploader.list(prefix))) == sorted(keys)
        wait(uploader.delete(keys))
        assert list(wait(uploader.list(prefix))) == []

    def test_deletes_nothing_else(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A key is no prefix; one that is not there is no error, and neither are none at all."""
        source = _file(tmp_path, "source", b"a")
        for name in ("w50.jpg", "w50.jpg.webp", "w500.jpg"):
            wait(uploader.upload(f"{prefix}/{name}", source, JPEG_TYPE))
        wait(uploader.delete([f"{prefix}/w50.jpg", f"{prefix}/w5", f"{prefix}/never"]))
        wait(uploader.delete([f"{prefix}/w50.jpg"]))
        wait(uploader.delete([]))
        assert list(wait(uploader.list(prefix))) == [f"{prefix}/w50.jpg.webp", f"{prefix}/w500.jpg"]
        assert wait(uploader.download(f"{prefix}/w50.jpg", tmp_path / "back")) is False

    def test_a_failure_is_a_store_error(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """What goes wrong is told as StoreError, so that the queue tries again, and leaves nothing behind."""
        with pytest.raises(StoreError):
            wait(uploader.upload(f"{prefix}/original", tmp_path / "missing", JPEG_TYPE))
        assert list(wait(uploader.list(prefix))) == []
        wait(uploader.upload(f"{prefix}/original", _file(tmp_path, "source", b"a"), JPEG_TYPE))
        with pytest.raises(StoreError):
            wait(uploader.download(f"{prefix}/original", tmp_path / "no" / "such" / "folder"))


async def _all(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    await gatherResults([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)


def _file(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.write_bytes(body)
    return path
