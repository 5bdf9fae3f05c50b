"""From the text of a file, `--set` and the environment to Settings, with every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from imaged.config.document import read_document, read_scalar
from imaged.config.faults import Fault, KeyPath, in_order
from imaged.config.messages import explain, keys_at
from imaged.config.model import Settings
from imaged.config.origins import Origins
from imaged.config.overrides import lay_over, read_overrides
from imaged.config.references import Resolver
from imaged.core.errors import NotAllowedError


@dataclass(frozen=True, repr=False)
class Loaded:
    """Settings and every fault found on the way to them.

    Where there are faults, the faulty parts of `settings` are at their defaults, so that later checks may go on and
    find more; such settings are never to be served.
    """

    settings: Settings
    faults: tuple[Fault, ...]
    origins: Origins

    def fault(self, path: KeyPath, message: str) -> Fault:
        """Return a fault at `path` with its file and line; secrets are struck out of the message."""
        return self.origins.fault(path, message)

    def shown(self) -> dict[str, Any]:
        """Return the effective settings as plain values; references stand as they are written, unresolved."""
        data: dict[str, Any] = _plain(self.settings.model_dump(mode="json", exclude_none=True))
        for path, secret in self.origins.secrets.items():
            _replace(data, path, secret.reference.shown())
        return data


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
    relative to the folder of `file_name`.
    """
    document = read_document(text, file_name)
    data, lines, faults = document.data, dict(document.lines), list(document.faults)
    sets, override_faults = read_overrides(overrides)
    faults += override_faults
    overridden: set[KeyPath] = set()
    for override in sets:
        fault = lay_over(data, override)
        if fault is not None:
            faults.append(fault)
            continue
        overridden.add(override.path)
        lines = {path: line for path, line in lines.items() if path[: len(override.path)] != override.path}
    resolver = Resolver(environ, read_text, PurePath(file_name).parent)
    data = resolver.resolve(data)
    origins = Origins(file_name, lines, frozenset(overridden), resolver.secrets)
    faults += [origins.fault(path, message) for path, message in resolver.unresolved.items()]
    settings, model_faults = _validate(data, origins)
    faults += model_faults
    faults += [origins.fault(path, message) for path, message in _conflicts(settings)]
    return Loaded(settings, in_order(faults), origins)


def plugin_faults(
    loaded: Loaded, name: str, error: ValidationError, model: type[BaseModel] | None = None
) -> list[Fault]:
    """Return the faults of a plugin's section at their lines. No value is told: any may be a secret.

    With the plugin's `model`, an unknown key is met with the one that was probably meant.
    """
    section = loaded.settings.plugins.get(name, {})
    faults = []
    for details in error.errors(include_url=False):
        path = _existing(section, details)
        message = explain(details, keys_at(model, path[:-1]), show=False)
        faults.append(loaded.fault(("plugins", name, *path), message))
    return list(in_order(faults))


def _validate(data: dict[str, Any], origins: Origins) -> tuple[Settings, list[Fault]]:
    """Return settings and their faults; a faulty branch is cut off and the rest tried again."""
    faults: list[Fault] = []
    retried: set[KeyPath] = set()
    while True:
        try:
            return Settings.model_validate(data), faults
        except ValidationError as error:
            for details in error.errors(include_url=False):
                path = _existing(data, details)
                secret = origins.secrets.get(path)
                if secret is not None and path not in retried:
                    retried.add(path)
                    _replace(data, path, read_scalar(secret.text.strip()))
                    continue
                message = explain(details, keys_at(Settings, path[:-1]), show=secret is None)
                faults.append(origins.fault(path, message))
                _cut(data, path)


def _conflicts(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Yield each output that is to be made for every image although its own policy refuses it."""
    own: KeyPath = ("images", "outputs")
    for index, output in enumerate(settings.images.outputs):
        try:
            settings.images.check(output)
        except NotAllowedError as error:
            yield (*own, index), str(error)
    for name, overrides in settings.namespaces.items():
        policy = settings.policy(name)
        inherited = overrides.outputs is None
        for index, output in enumerate(policy.outputs):
            try:
                policy.check(output)
            except NotAllowedError as error:
                if not inherited:
                    yield ("namespaces", name, "outputs", index), str(error)
                elif output in settings.images.outputs and _allowed(settings, output):
                    yield ("namespaces", name), f"{error}; images.outputs asks for it: set outputs here"


def _allowed(settings: Settings, output: Any) -> bool:
    try:
        settings.images.check(output)
    except NotAllowedError:
        return False
    return True


def _existing(data: Any, error: ErrorDetails) -> KeyPath:
    """Return the error's path as far as the data has it: pydantic adds the names of its own validators."""
    path: list[str | int] = []
    for part in error["loc"]:
        held = isinstance(data, Mapping) and part in data
        listed = isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        if held or listed:
            data = data[part]
            path.append(part)
        elif error["type"] == "missing" and part == error["loc"][-1]:
            path.append(part)
    return tuple(path)


def _replace(data: Any, path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


def _cut(data: dict[str, Any], path: KeyPath) -> None:
    """Take out the branch at `path`; an item takes its whole list along, so that indexes go on fitting."""
    keys = [part for index, part in enumerate(path) if all(isinstance(key, str) for key in path[: index + 1])]
    for key in keys[:-1]:
        if not isinstance(data, dict) or key not in data:
            return
        data = data[str(key)]
    if isinstance(data, dict):
        data.pop(str(keys[-1]), None)


def _plain(value: Any) -> Any:
    """Return `value` with whole seconds written as whole numbers."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
