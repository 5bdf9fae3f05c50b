"""What the daemon has of the built-in processors while worker processes render."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import imaged_magick
import imaged_pillow
from imaged.api import FORMATS, SelfCheckingProcessor, VerifyingProcessor
from imaged.testing.fakes import make_host


@pytest.mark.parametrize("plugin", [imaged_magick, imaged_pillow])
def test_it_tells_the_same_as_the_processor(plugin: ModuleType) -> None:
    """The daemon asks it for the formats, and whether workers verify originals and check themselves."""
    name = plugin.__name__.removeprefix("imaged_")
    loaded, unloaded = (plugin.imaged_processor(make_host(name, renders=renders)) for renders in (True, False))
    for contract in (VerifyingProcessor, SelfCheckingProcessor):
        assert isinstance(loaded, contract) is isinstance(unloaded, contract)
    assert unloaded.reads == getattr(loaded, "reads", FORMATS.reads)
    assert unloaded.writes == getattr(loaded, "writes", FORMATS.writes)


@pytest.mark.parametrize("plugin", [imaged_magick, imaged_pillow])
def test_its_methods_raise(plugin: ModuleType) -> None:
    """A call would be a defect of the daemon, and raises."""
    unloaded = plugin.imaged_processor(make_host(plugin.__name__.removeprefix("imaged_"), renders=False))
    with pytest.raises(RuntimeError):
        unloaded.identify(Path("picture"))
