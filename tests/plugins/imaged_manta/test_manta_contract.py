"""The contract of uploaders, against a simulated Manta that validates its requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imaged.api import Uploader
from imaged.testing.uploaders import ConditionalUploaderContract
from imaged_manta.uploader import MantaUploader


class TestManta(ConditionalUploaderContract):
    """Requests are signed with a key file."""

    many = 1030  # more than a page

    @pytest.fixture
    def uploader(self, make_manta: Callable[..., MantaUploader]) -> Uploader:
        """Return an uploader to Manta."""
        return make_manta()
