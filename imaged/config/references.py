"""References: `{env: NAME}` and `{file: PATH}` stand for a value kept elsewhere, which may be secret.

A mapping is a reference if its only key is `env` or `file` and its value is text, anywhere in the settings but for a
watermark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

from imaged.config.faults import KeyPath, quote

_UNRESOLVED = object()


@dataclass(frozen=True)
class Reference:
    """Where a value is kept. `str` gives the text of the YAML file."""

    kind: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{{{self.kind}: {self.name}}}" if self.name.isprintable() else f"{{{self.kind}: {quote(self.name)}}}"


class Secret(str):
    """The text that a reference stands for. It prints as `***`.

    Models read the text itself, and turn it into a number where they want one.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "'***'"

    def __format__(self, spec: str) -> str:
        return format("***", spec)


@dataclass
class ReferenceResolver:
    """Replaces references by their values, and remembers where each one stood.

    `read_text` takes a path and raises OSError or UnicodeDecodeError; relative paths begin at `folder`.
    """

    environ: Mapping[str, str]
    read_text: Callable[[str], str]
    folder: PurePath
    references: dict[KeyPath, Reference] = field(default_factory=dict)
    """The references that have a value, by their path."""
    unresolved: dict[KeyPath, str] = field(default_factory=dict)
    """Why a reference has no value, by its path."""

    def resolve(self, value: Any, path: KeyPath = ()) -> Any:
        """Return `value` with a Secret for each reference.

        A reference without a value is left out together with its key or its whole list, and noted in `unresolved`.
        """
        if isinstance(value, list):
            items = [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
            return _UNRESOLVED if any(item is _UNRESOLVED for item in items) else items
        if not isinstance(value, dict):
            return value
        reference = read_reference(value) if path and not _is_watermark(path) else None
        if reference is not None:
            return self._text(reference, path)
        resolved = {key: self.resolve(inner, (*path, key)) for key, inner in value.items()}
        return {key: inner for key, inner in resolved.items() if inner is not _UNRESOLVED}

    def _text(self, reference: Reference, path: KeyPath) -> Any:
        file = str(self.folder / reference.name)
        try:
            text = self.environ[reference.name] if reference.kind == "env" else self.read_text(file).rstrip("\r\n")
            text.encode()
        except KeyError:
            why = f"the environment has no variable {quote(reference.name)}"
        except UnicodeError:
            why = f"what {reference} holds is not UTF-8"
        except OSError as error:
            why = f"cannot read {quote(file)}: {error.strerror or type(error).__name__}"
        except ValueError:
            why = f"cannot read {quote(file)}: it is no path"
        else:
            self.references[path] = reference
            return Secret(text)
        self.unresolved[path] = why
        return _UNRESOLVED


def _is_watermark(path: KeyPath) -> bool:
    """Return whether a mapping is the watermark of a preset, whose key `file` names a picture."""
    return path[-3:-2] == ("presets",) and path[-1] == "watermark"


def read_reference(value: Mapping[str, Any]) -> Reference | None:
    """Return `value` as a reference, None if it is another mapping."""
    match value:
        case {"env": str() as name} if len(value) == 1:
            return Reference("env", name)
        case {"file": str() as name} if len(value) == 1:
            return Reference("file", name)
    return None
