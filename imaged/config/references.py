"""References: `{env: NAME}` and `{file: PATH}` stand for a value that is kept elsewhere, mostly because it is secret.

A mapping is a reference when its only key is `env` or `file` and the value of that is text, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

from imaged.config.faults import KeyPath, quote

_SHORTEST_SECRET = 6
_UNRESOLVED = object()


@dataclass(frozen=True)
class Reference:
    """Where a value is kept; its text form is that of the file."""

    kind: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{{{self.kind}: {self.name}}}" if self.name.isprintable() else f"{{{self.kind}: {quote(self.name)}}}"

    def shown(self) -> dict[str, str]:
        """Return the mapping that the file holds."""
        return {self.kind: self.name}


@dataclass(frozen=True)
class Secret:
    """What a reference stands for."""

    reference: Reference
    text: str = field(repr=False)

    def strike(self, text: str) -> str:
        """Return `text` without this secret as a whole: for the words of others about something else."""
        return text.replace(self.text, "***") if len(self.text.strip()) >= _SHORTEST_SECRET else text


class Referenced(str):
    """Text that a reference stands for: where a number is wanted, it may become one. Its repr tells nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return what tells nothing of it."""
        return "'***'"


@dataclass
class Resolver:
    """Puts values in the place of references and keeps account of both.

    `read_text` takes a path and raises OSError or UnicodeDecodeError; `folder` is where relative paths begin.
    """

    environ: Mapping[str, str]
    read_text: Callable[[str], str]
    folder: PurePath
    secrets: dict[KeyPath, Secret] = field(default_factory=dict)
    unresolved: dict[KeyPath, str] = field(default_factory=dict)

    def resolve(self, value: Any, path: KeyPath = ()) -> Any:
        """Return `value` with its references resolved.

        One that cannot be is noted in `unresolved` and left out with its key; a list that holds one is left out whole.
        """
        if isinstance(value, list):
            items = [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
            return _UNRESOLVED if any(item is _UNRESOLVED for item in items) else items
        if not isinstance(value, dict):
            return value
        reference = read_reference(value) if path else None
        if reference is not None:
            return self._text(reference, path)
        resolved = {key: self.resolve(inner, (*path, key)) for key, inner in value.items()}
        return {key: inner for key, inner in resolved.items() if inner is not _UNRESOLVED}

    def _text(self, reference: Reference, path: KeyPath) -> Any:
        try:
            text = self._environment(reference) if reference.kind == "env" else self._file(reference)
            text.encode()
        except _UnresolvedError as error:
            self.unresolved[path] = str(error)
        except UnicodeError:
            self.unresolved[path] = f"what {reference} holds is not UTF-8"
        else:
            self.secrets[path] = Secret(reference, text)
            return Referenced(text)
        return _UNRESOLVED

    def _environment(self, reference: Reference) -> str:
        try:
            return self.environ[reference.name]
        except KeyError as error:
            raise _UnresolvedError(f"the environment has no variable {quote(reference.name)}") from error

    def _file(self, reference: Reference) -> str:
        path = str(self.folder / reference.name)
        try:
            return self.read_text(path).rstrip("\r\n")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise _UnresolvedError(f"cannot read {quote(path)}: {reason}") from error
        except ValueError as error:
            if isinstance(error, UnicodeError):
                raise
            raise _UnresolvedError(f"cannot read {quote(path)}: it is no path") from error


class _UnresolvedError(Exception):
    """A reference that leads nowhere; its text says why."""


def read_reference(value: Mapping[str, Any]) -> Reference | None:
    """Return the reference that a mapping is, or None for any other mapping."""
    if len(value) == 1:
        for kind in ("env", "file"):
            name = value.get(kind)
            if isinstance(name, str):
                return Reference("env" if kind == "env" else "file", name)
    return None
