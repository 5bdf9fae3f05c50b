"""Faults of listed formats: a policy may list a format only if a processor brings it."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.config.faults import Fault, KeyPath
from imaged.config.images import ImagePolicy, NamespacePolicy
from imaged.config.load import Loaded
from imaged.config.messages import did_you_mean
from imaged.config.model import Settings
from imaged.core.formats import Formats


def extension_faults(loaded: Loaded, formats: Formats) -> Iterator[Fault]:
    """Yield a fault for each listed extension that no processor reads or writes, and each output that none writes."""
    known = [format.extension for format in formats.known]
    for path, policy in _policies(loaded.settings):
        for index, extension in enumerate(policy.extensions or ()):
            if extension not in known:
                where = (*path, "extensions", index)
                yield loaded.origins.fault(where, _explain(loaded, where, extension, known))
        for index, output in enumerate(policy.outputs or ()):
            if output.extension in known and not formats.writes_extension(output.extension):
                yield loaded.origins.fault((*path, "outputs", index), f"no processor writes {output.extension}")


def _policies(settings: Settings) -> Iterator[tuple[KeyPath, ImagePolicy | NamespacePolicy]]:
    yield ("images",), settings.images
    for name, policy in settings.namespaces.items():
        yield ("namespaces", name), policy


def _explain(loaded: Loaded, path: KeyPath, extension: str, known: list[str]) -> str:
    hint = "" if path in loaded.origins.references else did_you_mean(extension, known)
    return f"expected one of {', '.join(known)}, got {loaded.origins.describe(path, extension)}{hint}"
