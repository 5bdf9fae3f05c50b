"""The built-in uploaders pass the contract suite, and so do a fake and a third-party one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto_store import MotoS3
from rclone import RcloneS3
from twisted.internet import reactor

import imaged_s3
from imaged.api import Uploader
from imaged.testing.fakes import MemoryUploader, make_host
from imaged.testing.uploaders import ConditionalUploaderContract, UploaderContract
from imaged.workers.threads import Threads
from imaged_s3.uploader import S3Uploader

THIRD_PARTY = Path(__file__).parents[1] / "thirdparty" / "imaged-folder"


class TestMemory(ConditionalUploaderContract):
    """The fake for plugin authors."""

    @pytest.fixture
    def uploader(self) -> Uploader:
        """Return an empty store."""
        return MemoryUploader()


class TestThirdParty(UploaderContract):
    """An uploader of a third-party distribution, which runs on threads."""

    @pytest.fixture
    def uploader(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploader]:
        """Return an uploader to a folder."""
        monkeypatch.syspath_prepend(str(THIRD_PARTY))
        import imaged_folder  # noqa: PLC0415  # only now it can be found

        uploader = imaged_folder.imaged_uploader(make_host("folder", {"path": str(tmp_path / "remote")}))
        assert uploader is not None
        yield uploader
        del sys.modules["imaged_folder"]


def s3_uploader(section: dict[str, str]) -> S3Uploader:
    """Return the uploader of the plugin for these options, on real threads."""
    host = make_host("s3", section, make_threads=lambda size: Threads(reactor, "s3", size), upload_concurrency=4)
    uploader = imaged_s3.imaged_uploader(host)
    assert isinstance(uploader, S3Uploader)
    return uploader


class TestS3Rclone(ConditionalUploaderContract):
    """S3 with a store that verifies signatures, and lists in pages of a thousand."""

    many = 1100

    @pytest.fixture
    def uploader(self, rclone_s3: RcloneS3) -> Iterator[Uploader]:
        """Return an uploader to a new bucket."""
        uploader = s3_uploader(rclone_s3.options(rclone_s3.make_bucket()))
        yield uploader
        uploader.close()


class TestS3Moto(ConditionalUploaderContract):
    """S3 with a store that has ACLs."""

    @pytest.fixture
    def uploader(self, moto_s3: MotoS3) -> Iterator[Uploader]:
        """Return an uploader to a new bucket."""
        uploader = s3_uploader({**moto_s3.options(moto_s3.make_bucket()), "acl": "public-read"})
        yield uploader
        uploader.close()
