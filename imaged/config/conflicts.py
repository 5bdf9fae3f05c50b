"""What no single key gets wrong: outputs that are to be made for every image although the policy refuses them."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.config.faults import KeyPath
from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.core.errors import PolicyError


def conflicts(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path and the reason of each output whose effective policy refuses it.

    An output that a namespace inherits is reported there only when `images` itself allows it.
    """
    common = dict(_refused(settings.images))
    for index, reason in common.items():
        yield ("images", "outputs", index), reason
    for name, own in settings.namespaces.items():
        for index, reason in _refused(settings.policy(name)):
            if own.outputs is not None:
                yield ("namespaces", name, "outputs", index), reason
            elif index not in common:
                yield ("namespaces", name), f"{reason}; it comes from images.outputs: set outputs here as well"


def _refused(policy: ImagePolicy) -> Iterator[tuple[int, str]]:
    for index, output in enumerate(policy.outputs):
        try:
            policy.check(output)
        except PolicyError as error:
            yield index, str(error)
