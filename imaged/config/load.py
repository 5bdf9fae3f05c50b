"""From the text of a file, `--set` and the environment to Settings, with every fault at once."""

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
from imaged.config.origins import Origins
from imaged.config.overrides import lay_over, read_overrides
from imaged.config.references import Resolver
from imaged.config.validation import existing_path, fault_of, holds, replace_at, validate


@dataclass(frozen=True, repr=False)
class Loaded:
    """Settings and every fault found on the way to them.

    Where there are faults, the faulty parts of `settings` are at their defaults, so that later checks may go on and
    find more; such settings are never to be served.
    """

    settings: Settings
    faults: tuple[Fault, ...]
    origins: Origins
    unresolved: frozenset[KeyPath] = frozenset()
    """Where references stand that lead nowhere; each has its fault."""

    def fault(self, path: KeyPath, message: str) -> Fault:
        """Return a fault at `path` with its file and line. The message is in our words and tells no value."""
        return self.origins.fault(path, message)

    def foreign_fault(self, path: KeyPath, message: str) -> Fault:
        """Return the same for a message that may quote the value at `path`: it is kept back where that is a secret."""
        return self.origins.foreign_fault(path, message)

    def told(self, path: KeyPath, text: str) -> str:
        """Return `text`, the value at `path`, for a message: the reference, where it came from one."""
        reference = self.origins.reference(path)
        return text if reference is None else f"what {reference} holds"

    def shown(self) -> dict[str, Any]:
        """Return the effective settings as plain values; references stand as they are written, unresolved."""
        data = self.settings.model_dump(mode="json")
        plugins, policies = data.pop("plugins"), data.pop("namespaces")
        own = {
            name: {key: value for key, value in policy.items() if value is not None}
            for name, policy in policies.items()
        }
        shown = {**_whole(data), "namespaces": own, "plugins": plugins}
        for path, reference in self.origins.references.items():
            replace_at(shown, path, reference.shown())
        return {key: shown[key] for key in Settings.model_fields}


def load(
    text: str | bytes,
    file_name: str,
    overrides: Sequence[str] = (),
    *,
    environ: Mapping[str, str],
    read_text: Callable[[str], str],
) -> Loaded:
    """Read settings; never raises for what is in them.

    `overrides` are the arguments of `--set`, of which the later ones win. `read_text` reads the file of a reference,
    whose relative path begins at the folder of `file_name`; it raises OSError or UnicodeDecodeError.
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
            lines = {path: line for path, line in lines.items() if path[: len(override.path)] != override.path}
        else:
            faults.append(fault)
    resolver = Resolver(environ, read_text, PurePath(file_name).parent)
    data = resolver.resolve(data)
    origins = Origins(file_name, lines, frozenset(overridden), resolver.references)
    faults += [origins.fault(path, message) for path, message in resolver.unresolved.items()]
    settings, model_faults = validate(data, origins)
    faults += model_faults
    faults += [origins.foreign_fault(path, reason, output) for path, output, reason in conflicts(settings)]
    return Loaded(settings, in_order(faults), _without_cut(origins, data), frozenset(resolver.unresolved))


def plugin_faults(
    loaded: Loaded, name: str, error: ValidationError, model: type[BaseModel] | None = None
) -> list[Fault]:
    """Return the faults of a plugin's section at their lines. No value is told: any may be a secret.

    With the plugin's `model`, an unknown key is met with the one that was probably meant. What is only amiss because a
    reference led nowhere is left out: a key that is missing for it, or a section that makes no sense without it.
    """
    section = loaded.settings.plugins.get(name, {})
    faults = []
    for details in error.errors(include_url=False):
        path = existing_path(section, details)
        whole = ("plugins", name, *path)
        if not any(begins(whole, where) or begins(where, whole) for where in loaded.unresolved):
            known = keys_at(model, path[:-1])
            faults.append(fault_of(loaded.origins, whole, details, known, kind_of))
    return list(in_order(faults))


def _without_cut(origins: Origins, data: Any) -> Origins:
    """Return the origins without references in branches that were faulty and are now at their defaults."""
    kept = {path: reference for path, reference in origins.references.items() if _has(data, path)}
    return replace(origins, references=kept)


def _has(data: Any, path: KeyPath) -> bool:
    for part in path:
        if not holds(data, part):
            return False
        data = data[part]
    return True


def _whole(value: Any) -> Any:
    """Return `value` with whole seconds written as whole numbers."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
