"""The built-in processors pass the contract suite."""

from __future__ import annotations

from typing import cast

import pytest

import imaged_magick
from imaged.api import Host, Processor
from imaged.testing.processors import ProcessorContract


class TestMagick(ProcessorContract):
    """ImageMagick, in the installed version."""

    @pytest.fixture
    def processor(self) -> Processor:
        """Return the processor that the daemon would get."""
        processor = imaged_magick.imaged_processor(cast("Host", _Host()))
        assert processor is not None
        return processor


class _Host:
    """The part of a host that the plugin uses."""

    def options(self, model: type[imaged_magick.Options]) -> imaged_magick.Options:
        return model()
