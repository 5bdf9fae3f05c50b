"""Every uploader of ours keeps the contract of uploaders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imaged.api import Uploader
from imaged.testing.fakes import MemoryUploader, make_host
from imaged.testing.uploaders import UploaderContract

THIRD_PARTY = Path(__file__).parents[1] / "thirdparty" / "imaged-folder"


class TestMemory(UploaderContract):
    """The fake that plugin authors are given."""

    @pytest.fixture
    def uploader(self) -> Uploader:
        """Return an empty one."""
        return MemoryUploader()


class TestThirdParty(UploaderContract):
    """An uploader of somebody else's distribution, which works on threads."""

    @pytest.fixture
    def uploader(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploader]:
        """Return one that keeps files in a folder."""
        monkeypatch.syspath_prepend(str(THIRD_PARTY))
        import imaged_folder  # noqa: PLC0415  # only now it can be found

        uploader = imaged_folder.imaged_uploader(make_host("folder", {"path": str(tmp_path / "remote")}))
        assert uploader is not None
        yield uploader
        del sys.modules["imaged_folder"]
