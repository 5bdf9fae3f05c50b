"""Finds outputs that the settings name and their policy refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from imaged.config.allowed_outputs import read_pattern
from imaged.config.faults import KeyPath, begins
from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.config.validation import Entries
from imaged.core.errors import NotFoundError, PolicyError
from imaged.core.outputs import Output, Preset

Conflict = tuple[KeyPath, KeyPath, str]
"""The path of the fault, the path of the output itself, and the reason."""

_DECIDING = ("extensions", "maximum_width", "maximum_height")
"""The keys of a policy that decide about an output."""

_LISTS = ("outputs", "allowed_outputs")


def conflicts(settings: Settings, sound: Entries, faulty: Collection[KeyPath]) -> Iterator[Conflict]:
    """Yield a conflict for each output that its policy refuses, also for those of lists that have faulty entries.

    A policy whose deciding keys are `faulty` has other values than the operator wants, and is not asked, nor about a
    faulty preset. An output that a namespace inherits is reported there only when `images` itself allows it. An
    inherited entry of `allowed_outputs` is no fault: it adds nothing in a namespace that refuses its outputs.
    """
    images = _Judge.of(settings.images, ("images",), faulty)
    common = dict(images.refused())
    for index, reason in common.items():
        yield ("images", "outputs", index), ("images", "outputs", index), reason
    yield from images.unusable(sound)
    for name, own in settings.namespaces.items():
        judge = _Judge.of(settings.policy(name), ("namespaces", name), faulty)
        for index, reason in judge.refused():
            if own.outputs is not None:
                path = ("namespaces", name, "outputs", index)
                yield path, path, reason
            elif index not in common:
                inherited = f"{reason}; it comes from images.outputs: set outputs here as well"
                yield ("namespaces", name), ("images", "outputs", index), inherited
        yield from judge.unusable(sound, is_own=own.allowed_outputs is not None)


@dataclass(frozen=True)
class _Judge:
    """Asks the policy at `where` about outputs, unless it is `unsure`; it says nothing about the `unsure_presets`."""

    policy: ImagePolicy
    where: KeyPath
    unsure: bool
    unsure_presets: frozenset[str | int]

    @classmethod
    def of(cls, policy: ImagePolicy, where: KeyPath, faulty: Collection[KeyPath]) -> _Judge:
        """Return the judge of a policy, which is unsure where its own keys or those of `images` are faulty."""
        own = [path[len(top) :] for top in {("images",), where} for path in faulty if begins(path, top)]
        presets = frozenset(path[1] for path in own if path[:1] == ("presets",) and len(path) > 1)
        return cls(policy, where, any(path[:1] == (key,) for path in own for key in _DECIDING), presets)

    def refused(self) -> Iterator[tuple[int, str]]:
        """Yield the index of each refused entry of `outputs`, and the reason."""
        for index, output in enumerate(self.policy.outputs):
            if reason := self._refusal([output]):
                yield index, reason

    def unusable(self, sound: Entries, *, is_own: bool = True) -> Iterator[Conflict]:
        """Yield the first refused output of each entry of `allowed_outputs`, and of each sound one of faulty lists."""
        listed: dict[KeyPath, Collection[Output]] = {}
        for index, pattern in enumerate(self.policy.allowed_outputs.patterns if is_own else ()):
            listed[*self.where, "allowed_outputs", index] = pattern.outputs
        for key in _LISTS:
            for index, text in sound.get((*self.where, key), {}).items():
                listed[*self.where, key, index] = read_pattern(text).outputs
        for path, outputs in listed.items():
            if reason := self._refusal(outputs):
                yield path, path, reason

    def _refusal(self, outputs: Collection[Output]) -> str | None:
        """Return why the policy refuses the first of some outputs that it refuses, or None."""
        for output in () if self.unsure else outputs:
            if isinstance(output.sizing, Preset) and output.sizing.name in self.unsure_presets:
                continue
            try:
                self.policy.check(output)
            except (NotFoundError, PolicyError) as error:  # NotFoundError: there is no such preset
                return str(error)
        return None
