"""Faults of listed formats: a policy may list a format only if a processor brings it."""

from __future__ import annotations

from collections.abc import Iterator

from imaged.config.faults import Fault, KeyPath
from imaged.config.images import ImagePolicy, NamespacePolicy
from imaged.config.load import Loaded
from imaged.config.messages import did_you_mean
from imaged.config.model import Settings
from imaged.config.places import Places
from imaged.core.formats import AVIF, CORE, FURTHER, HEIC, Formats

_OPTIONAL = {AVIF.extension, HEIC.extension}
"""The formats that the default settings list although a machine's libraries may lack them."""

_OWN_READ = {format.extension for format in CORE} | _OPTIONAL
"""The formats of originals that need no fault: they are listed by default, and a processor may be for a few of them."""


def extension_faults(loaded: Loaded, formats: Formats) -> Iterator[Fault]:
    """Yield a fault for each listed format that no processor reads or writes, and each output that none writes.

    Those that the default settings list are exempt, so that a machine without a library starts: see `find_missing`.
    """
    readable = [format.extension for format in formats.reads]
    known = [format.extension for format in formats.known]
    servable = [each.extension for each in formats.known if each not in FURTHER or each in formats.writes]
    named = list(dict.fromkeys([*known, *(format.extension for format in (*CORE, *FURTHER))]))
    settings, places = loaded.settings, loaded.places
    policies: list[tuple[KeyPath, ImagePolicy | NamespacePolicy]] = [(("images",), settings.images)]
    policies += [(("namespaces", name), policy) for name, policy in settings.namespaces.items()]
    for path, policy in policies:
        for index, extension in enumerate(policy.extensions or ()):
            if extension not in servable and extension != AVIF.extension:
                yield _fault(places, (*path, "extensions", index), extension, servable)
        for index, extension in enumerate(policy.read_formats or ()):
            if extension not in readable and extension not in _OWN_READ:
                yield _fault(places, (*path, "read_formats", index), extension, readable)
        for index, extension in enumerate(policy.auto_formats or ()):
            if extension not in named:  # a format that no processor writes here is left out
                where = (*path, "auto_formats", index)
                hint = "" if where in places.references else did_you_mean(extension, named)
                yield places.fault(where, f"no format is called {places.describe(where, extension)}{hint}")
        for index, output in enumerate(policy.outputs or ()):
            listed = output.extension in known or output.extension in _OPTIONAL
            if listed and not formats.writes_extension(output.extension):
                yield places.fault((*path, "outputs", index), f"no processor writes {output.extension}")


def find_missing(settings: Settings, formats: Formats) -> str | None:
    """Return in one line which listed formats no processor reads or writes, though that is no fault; None for none."""
    readable = {format.extension for format in formats.reads}
    unread = sorted(_OPTIONAL & {*settings.read_formats} - readable)
    unwritten = sorted(
        extension for extension in _OPTIONAL & {*settings.extensions} if not formats.writes_extension(extension)
    )
    lacks = [f"{verb} {', '.join(each)}" for verb, each in (("reads", unread), ("writes", unwritten)) if each]
    return f"no processor {' or '.join(lacks)} on this machine" if lacks else None


def _fault(places: Places, where: KeyPath, extension: str, known: list[str]) -> Fault:
    hint = "" if where in places.references else did_you_mean(extension, known)
    return places.fault(where, f"expected one of {', '.join(known)}, got {places.describe(where, extension)}{hint}")
