"""Faults between keys: `outputs` that their own policy refuses."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.config.faults import KeyPath
from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.core.errors import PolicyError


def conflicts(settings: Settings) -> Iterator[tuple[KeyPath, KeyPath, str]]:
    """Yield the path of the fault, the output's own path and the reason for each output that its policy refuses.

    An output that a namespace inherits is reported there only when `images` itself allows it.
    """
    common = dict(_refused(settings.images))
    for index, reason in common.items():
        yield ("images", "outputs", index), ("images", "outputs", index), reason
    for name, own in settings.namespaces.items():
        for index, reason in _refused(settings.policy(name)):
            if own.outputs is not None:
                path = ("namespaces", name, "outputs", index)
                yield path, path, reason
            elif index not in common:
                inherited = f"{reason}; it comes from images.outputs: set outputs here as well"
                yield ("namespaces", name), ("images", "outputs", index), inherited


def _refused(policy: ImagePolicy) -> Iterator[tuple[int, str]]:
    for index, output in enumerate(policy.outputs):
        try:
            policy.check(output)
        except PolicyError as error:
            yield index, str(error)
