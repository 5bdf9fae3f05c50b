"""Faults of listed formats: a policy may list a format only if a processor brings it."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.config.faults import Fault, KeyPath
from imaged.config.images import ImagePolicy, NamespacePolicy
from imaged.config.load import Loaded
from imaged.config.messages import did_you_mean
from imaged.core.formats import CORE, FURTHER, Formats


def extension_faults(loaded: Loaded, formats: Formats) -> Iterator[Fault]:
    """Yield a fault for each listed extension that no processor reads or writes, and each output that none writes."""
    known = [format.extension for format in formats.known]
    named = list(dict.fromkeys([*known, *(format.extension for format in (*CORE, *FURTHER))]))
    settings, origins = loaded.settings, loaded.origins
    policies: list[tuple[KeyPath, ImagePolicy | NamespacePolicy]] = [(("images",), settings.images)]
    policies += [(("namespaces", name), policy) for name, policy in settings.namespaces.items()]
    for path, policy in policies:
        for index, extension in enumerate(policy.extensions or ()):
            if extension not in known:
                where = (*path, "extensions", index)
                hint = "" if where in origins.references else did_you_mean(extension, known)
                got = f"{origins.describe(where, extension)}{hint}"
                yield origins.fault(where, f"expected one of {', '.join(known)}, got {got}")
        for index, extension in enumerate(policy.auto_formats or ()):
            if extension not in named:  # a format that no processor writes here is left out
                where = (*path, "auto_formats", index)
                hint = "" if where in origins.references else did_you_mean(extension, named)
                yield origins.fault(where, f"no format is called {origins.describe(where, extension)}{hint}")
        for index, output in enumerate(policy.outputs or ()):
            if output.extension in known and not formats.writes_extension(output.extension):
                yield origins.fault((*path, "outputs", index), f"no processor writes {output.extension}")
