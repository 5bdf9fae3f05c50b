"""Loads settings from the text of a file, `--set` and the environment, and finds every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ValidationError

from imaged.config.conflicts import conflicts
from imaged.config.document import read_document
from imaged.config.faults import Fault, KeyPath, begins, in_order
from imaged.config.messages import keys_at, kind_of
from imaged.config.model import Settings
from imaged.config.overrides import lay_over, read_overrides
from imaged.config.picture_files import read_pictures
from imaged.config.places import Places
from imaged.config.references import ReferenceResolver
from imaged.config.validation import ABSENT, existing_path, fault_of, replace_at, validate, value_at


@dataclass(frozen=True, repr=False)
class Loaded:
    """Settings and all their faults.

    Faulty parts of `settings` have their defaults, so that later checks can find more faults. The daemon never uses
    settings with faults.
    """

    settings: Settings
    faults: tuple[Fault, ...]
    places: Places
    unresolved: frozenset[KeyPath] = frozenset()
    """The paths of references that cannot be resolved; each has a fault."""

    def describe_value(self, path: KeyPath, text: str) -> str:
        """Return the value at `path`, given as `text`, for a message; if a reference gave it, name the reference."""
        reference = self.places.references.get(path)
        return text if reference is None else f"what {reference} holds"

    def plain_values(self) -> dict[str, Any]:
        """Return the effective settings as plain values, with references unresolved."""
        data = self.settings.model_dump(mode="json")
        policies = self.settings.namespaces.items()
        own = {name: policy.model_dump(mode="json", exclude_none=True) for name, policy in policies}
        origins = {
            name: each.model_dump(mode="json", exclude_none=True) for name, each in self.settings.origins.items()
        }
        shown = {**_whole(data), "namespaces": own, "origins": _whole(origins), "plugins": data["plugins"]}
        for path, reference in self.places.references.items():
            replace_at(shown, path, {reference.kind: reference.name})
        return {key: shown[key] for key in Settings.model_fields}


def load(
    text: str | bytes,
    file_name: str,
    overrides: Sequence[str] = (),
    *,
    environ: Mapping[str, str],
    read_bytes: Callable[[str], bytes],
) -> Loaded:
    """Read settings. Faulty settings raise nothing.

    `overrides` are the arguments of `--set`; later ones win. `read_bytes` reads the file of a reference or a watermark,
    and raises OSError. A relative path starts at the folder of `file_name`.
    """
    document = read_document(text, file_name)
    data, lines = document.data, document.lines
    sets, set_faults = read_overrides(overrides)
    faults = [*document.faults, *set_faults]
    overridden: set[KeyPath] = set()
    for override in sets:
        fault = lay_over(data, override)
        if fault is None:
            overridden.add(override.path)
            lines = {path: line for path, line in lines.items() if not begins(path, override.path)}
        else:
            faults.append(fault)
    folder = PurePath(file_name).parent
    resolver = ReferenceResolver(environ, lambda path: read_bytes(path).decode(), folder)
    data = resolver.resolve(data)
    pictures = list(read_pictures(data, folder, read_bytes))
    places = Places(file_name, lines, frozenset(overridden), resolver.references)
    faults += [places.fault(path, message) for path, message in resolver.unresolved.items()]
    faults += [places.fault(path, message) for path, message in pictures]
    settings, model_faults, sound = validate(data, places)
    without_value = {*resolver.unresolved, *dict(pictures)}
    faults += [fault for fault in model_faults if fault.path not in without_value]
    found = conflicts(settings, sound, [fault.path for fault in faults])
    faults += [places.quoting_fault(path, reason, output) for path, output, reason in found]
    # A faulty branch has its defaults now, and no reference any more.
    kept = {path: each for path, each in places.references.items() if value_at(data, path) is not ABSENT}
    return Loaded(settings, in_order(faults), replace(places, references=kept), frozenset(resolver.unresolved))


def plugin_faults(
    loaded: Loaded,
    name: str,
    error: ValidationError,
    model: type[BaseModel] | None = None,
    options: tuple[KeyPath, Mapping[str, Any]] | None = None,
    *,
    named: KeyPath = (),
) -> list[Fault]:
    """Return the faults of a plugin's section, or of `options` that stand elsewhere, with their lines.

    The messages hide values, since any may be a secret. A section that is missing has the line of `named`, the setting
    that names the plugin.

    With the plugin's `model`, the fault of an unknown key suggests a similar one. Faults that follow from an unresolved
    reference are left out: its missing key, or a section that is invalid without it.
    """
    place, section = options or (("plugins", name), loaded.settings.plugins.get(name, {}))
    faults = []
    for details in error.errors(include_url=False):
        path = existing_path(section, details)
        whole = (*place, *path)
        if not any(begins(whole, where) or begins(where, whole) for where in loaded.unresolved):
            known = keys_at(model, path[:-1])
            fault, names = fault_of(loaded.places, whole, details, known, kind_of), loaded.places.fault(named, "")
            is_missing = (fault.file, fault.line) == (loaded.places.file, None)
            faults.append(replace(fault, file=names.file, line=names.line) if is_missing else fault)
    return list(in_order(faults))


def _whole(value: Any) -> Any:
    """Return `value` with whole floats, such as seconds, as integers."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
