"""What the daemon has of the plugin while worker processes render."""

from __future__ import annotations

import pytest

from imaged.api import Processor, SelfCheckingProcessor, VerifyingProcessor
from imaged_magick.unloaded import UnloadedProcessor


@pytest.mark.parametrize("contract", [Processor, VerifyingProcessor, SelfCheckingProcessor])
def test_it_has_the_methods_of_the_processor(processor: Processor, contract: type) -> None:
    """The daemon asks it whether workers verify originals and check themselves."""
    assert isinstance(processor, contract)
    assert isinstance(UnloadedProcessor(), contract)


def test_its_methods_raise() -> None:
    """A call would be a defect of the daemon, and raises."""
    with pytest.raises(NotImplementedError):
        UnloadedProcessor().render()
