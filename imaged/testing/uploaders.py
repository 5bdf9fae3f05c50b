"""The contract of uploaders as a test suite.

Subclass `UploaderContract`, with a fixture for your uploader:

    class TestMine(UploaderContract):
        @pytest.fixture
        def uploader(self) -> Uploader:
            return MyUploader(make_host("mine", {"bucket": "test"}))

For an uploader with `download_changed`, subclass `ConditionalUploaderContract` instead.

It needs pytest. Its keys begin with a random prefix and are deleted after each test, so a bucket in use is safe. The
fixture `wait` runs your coroutines, with Twisted's reactor if they wait. Override it if your tests run another loop.
"""

# ruff: noqa: S101 -- a suite is made of assertions

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults

from imaged.api import ConditionalUploader, StoreError, TooLargeError, Uploader
from imaged.testing.pictures import make_jpeg
from imaged.testing.waiting import wait

JPEG_TYPE = "image/jpeg"
LARGE_BYTES = 6_000_000
"""Larger than one part of a multipart upload."""

Wait = Callable[[Coroutine[Any, Any, Any]], Any]


class UploaderContract:
    """The suite. Override `uploader`, and `wait` if coroutines need a loop other than Twisted's reactor."""

    many = 30
    """How many keys are listed and deleted at once; for a store that lists in pages, more than a page."""

    @pytest.fixture
    def uploader(self) -> Uploader:
        """Return the uploader under test."""
        raise NotImplementedError("override the fixture `uploader`")

    @pytest.fixture
    def wait(self) -> Wait:
        """Return a function that runs a coroutine to its end and returns its result or raises its error."""
        return wait

    @pytest.fixture
    def prefix(self, uploader: Uploader, wait: Wait) -> Iterator[str]:
        """Return the prefix of all keys of one test, and delete them afterwards."""
        prefix = f"contract/{secrets.token_hex(8)}/p/f84/0ee/339d264d4bab1b169a653b1a91"
        yield prefix
        wait(uploader.delete(wait(uploader.list(prefix))))

    def test_is_an_uploader(self, uploader: Uploader) -> None:
        """It has every method of the contract."""
        assert isinstance(uploader, Uploader)

    def test_says_which_store_it_is(self, uploader: Uploader) -> None:
        """`identity` is a constant text: imaged stores it with each upload."""
        assert isinstance(uploader.identity, str)
        assert uploader.identity.strip()
        assert uploader.identity.isprintable()
        assert uploader.identity == uploader.identity

    @pytest.mark.parametrize("body", [make_jpeg(), b"", bytes(LARGE_BYTES)], ids=["picture", "empty", "large"])
    def test_gives_back_what_it_was_given(
        self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path, body: bytes
    ) -> None:
        """A download has the bytes of the upload, whatever the size; the uploaded file does not change."""
        source = _file(tmp_path, "source", body)
        wait(uploader.upload(f"{prefix}/original", source, JPEG_TYPE))
        assert wait(uploader.download(f"{prefix}/original", tmp_path / "back")) is True
        assert (tmp_path / "back").read_bytes() == body
        assert source.read_bytes() == body

    def test_replaces_what_was_there(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A second upload replaces the first, also if it is shorter."""
        for body in (b"the first, which is longer", b"the second"):
            wait(uploader.upload(f"{prefix}/x300.jpg", _file(tmp_path, "source", body), JPEG_TYPE))
        wait(uploader.download(f"{prefix}/x300.jpg", tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == b"the second"
        assert list(wait(uploader.list(prefix))) == [f"{prefix}/x300.jpg"]

    def test_downloads_over_a_file_that_is_there(
        self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path
    ) -> None:
        """A download replaces the file at the path."""
        wait(uploader.upload(f"{prefix}/original", _file(tmp_path, "source", b"new"), JPEG_TYPE))
        back = _file(tmp_path, "back", b"something old and long")
        assert wait(uploader.download(f"{prefix}/original", back)) is True
        assert back.read_bytes() == b"new"

    def test_says_when_there_is_no_such_key(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A download of a missing key returns False and writes no file; a part of a key is a missing key."""
        wait(uploader.upload(f"{prefix}/original", _file(tmp_path, "source", b"a"), JPEG_TYPE))
        for key in (f"{prefix}/info.json", f"{prefix}/origina", f"{prefix}/original/more", f"{prefix}/no/such"):
            assert wait(uploader.download(key, tmp_path / "back")) is False
            assert not (tmp_path / "back").exists()

    def test_lists_keys_by_any_beginning(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A list returns every key with the prefix, sorted; the prefix may end inside a path segment."""
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
        """A list and a delete handle all keys, also if a store works in pages."""
        source = _file(tmp_path, "source", b"a")
        keys = [f"{prefix}/w{width_px}.jpg" for width_px in range(100, 100 + self.many)]
        wait(_all([uploader.upload(key, source, JPEG_TYPE) for key in keys]))
        assert list(wait(uploader.list(prefix))) == sorted(keys)
        wait(uploader.delete(keys))
        assert list(wait(uploader.list(prefix))) == []

    def test_deletes_nothing_else(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A delete removes exact keys only. Missing keys, and no keys, are no errors."""
        source = _file(tmp_path, "source", b"a")
        for name in ("w50.jpg", "w50.jpg.webp", "w500.jpg"):
            wait(uploader.upload(f"{prefix}/{name}", source, JPEG_TYPE))
        wait(uploader.delete([f"{prefix}/w50.jpg", f"{prefix}/w5", f"{prefix}/never"]))
        wait(uploader.delete([f"{prefix}/w50.jpg"]))
        wait(uploader.delete([]))
        assert list(wait(uploader.list(prefix))) == [f"{prefix}/w50.jpg.webp", f"{prefix}/w500.jpg"]
        assert wait(uploader.download(f"{prefix}/w50.jpg", tmp_path / "back")) is False

    def test_a_failure_is_a_store_error(self, uploader: Uploader, wait: Wait, prefix: str, tmp_path: Path) -> None:
        """A failure raises StoreError, so that the queue retries, and leaves no file."""
        with pytest.raises(StoreError):
            wait(uploader.upload(f"{prefix}/original", tmp_path / "missing", JPEG_TYPE))
        assert list(wait(uploader.list(prefix))) == []
        wait(uploader.upload(f"{prefix}/original", _file(tmp_path, "source", b"a"), JPEG_TYPE))
        with pytest.raises(StoreError):
            wait(uploader.download(f"{prefix}/original", tmp_path / "no" / "such" / "folder"))


class ConditionalUploaderContract(UploaderContract):
    """The suite of an uploader that has `download_changed` as well."""

    @pytest.fixture
    def conditional(self, uploader: Uploader) -> ConditionalUploader:
        """Return the uploader under test."""
        assert isinstance(uploader, ConditionalUploader)
        return uploader

    def test_downloads_what_has_changed(
        self, uploader: Uploader, conditional: ConditionalUploader, wait: Wait, prefix: str, tmp_path: Path
    ) -> None:
        """An object is written unless it is the known version; each content has a version of its own."""
        key, back = f"{prefix}/original", tmp_path / "back"
        known = [""]
        for body in (b"the first", b"another"):
            wait(uploader.upload(key, _file(tmp_path, "source", body), JPEG_TYPE))
            known.append(wait(conditional.download_changed(key, back, known[-1], LARGE_BYTES)))
            assert back.read_bytes() == body
            back.unlink()
            assert wait(conditional.download_changed(key, back, known[-1], LARGE_BYTES)) == known[-1]
            assert not back.exists()
        assert len(set(known)) == len(known)
        assert all(version.isascii() and version.isprintable() for version in known)
        for version in known:
            assert wait(conditional.download_changed(f"{prefix}/no/such", back, version, LARGE_BYTES)) is None
        assert not back.exists()

    def test_downloads_nothing_that_is_too_large(
        self, uploader: Uploader, conditional: ConditionalUploader, wait: Wait, prefix: str, tmp_path: Path
    ) -> None:
        """An object of the most bytes is written; a larger one raises TooLargeError, and leaves no file."""
        key, folder = f"{prefix}/original", tmp_path / "back"
        folder.mkdir()
        wait(uploader.upload(key, _file(tmp_path, "source", bytes(LARGE_BYTES)), JPEG_TYPE))
        with pytest.raises(TooLargeError):
            wait(conditional.download_changed(key, folder / "file", "", LARGE_BYTES - 1))
        assert list(folder.iterdir()) == []
        version = wait(conditional.download_changed(key, folder / "file", "", LARGE_BYTES))
        assert (folder / "file").stat().st_size == LARGE_BYTES
        (folder / "file").unlink()
        assert wait(conditional.download_changed(key, folder / "file", version, 1)) == version


async def _all(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    await gatherResults([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)


def _file(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.write_bytes(body)
    return path
