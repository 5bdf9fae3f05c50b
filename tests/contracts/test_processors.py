"""The built-in processors pass the contract suite."""

from __future__ import annotations

import pytest

import imaged_magick
import imaged_pillow
from imaged.api import JPEG, PNG, WEBP, Processor
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


class TestPillow(ProcessorContract):
    """Pillow, alone."""

    writes = (JPEG, PNG, WEBP)

    @pytest.fixture
    def processor(self) -> Processor:
        """Return the processor that the daemon would get."""
        processor = imaged_pillow.imaged_processor(make_host("pillow"))
        assert processor is not None
        return processor
