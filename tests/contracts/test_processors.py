"""Every processor of ours keeps the contract of processors."""

from __future__ import annotations

from typing import cast

import pytest

import imaged_magick
from imaged.api import Host, Processor
from imaged.testing.processors import ProcessorContract


class TestMagick(ProcessorContract):
    """ImageMagick, whichever version is installed."""

    @pytest.fixture
    def processor(self) -> Processor:
        """Return the processor as the daemon would get it."""
        processor = imaged_magick.imaged_processor(cast("Host", _Host()))
        assert processor is not None
        return processor


class _Host:
    """As much of a host as the plugin asks for."""

    def options(self, model: type[imaged_magick.Options]) -> imaged_magick.Options:
        return model()
