"""The plugin keeps the contract of uploaders, against a Manta that checks what it is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imaged.api import Uploader
from imaged.testing.uploaders import UploaderContract
from imaged_manta import Manta


class TestManta(UploaderContract):
    """With a key from a file."""

    many = 1030  # more than a page

    @pytest.fixture
    def uploader(self, make_manta: Callable[..., Manta]) -> Uploader:
        """Return one."""
        return make_manta()
