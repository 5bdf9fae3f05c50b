"""The built-in processors pass the contract suite."""

from __future__ import annotations

import pytest

import imaged_magick
from imaged.api import Processor
from imaged.testing.fakes import make_host
from imaged.testing.processors import ProcessorContract


class TestMagick(ProcessorContract):
    """ImageMagick, in the installed version."""

    @pytest.fixture
    def processor(self) -> Processor:
        """Return the processor that the daemon would get."""
        processor = imaged_magick.imaged_processor(make_host("magick"))
        assert processor is not None
        return processor
