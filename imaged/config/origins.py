"""Where each value comes from: the line of its key, `--set`, or a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imaged.config.faults import Fault, KeyPath, begins
from imaged.config.overrides import OPTION
from imaged.config.references import Reference, Secret


@dataclass(frozen=True, repr=False)
class Origins:
    """Knows the place of every path. A path that nothing sets has that of what is around it.

    `lines` are those of the file, `overridden` the paths that `--set` set, `secrets` what references stand for.
    """

    file: str
    lines: Mapping[KeyPath, int]
    overridden: frozenset[KeyPath]
    secrets: Mapping[KeyPath, Secret]

    def fault(self, path: KeyPath, message: str) -> Fault:
        """Return a fault at `path` whose message is in our words, and tells no value that a reference stands for."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.overridden:
                return Fault(OPTION, None, path, message)
            if path[:length] in self.lines:
                return Fault(self.file, self.lines[path[:length]], path, message)
            if length == len(path) and any(begins(set_path, path) for set_path in self.overridden):
                return Fault(OPTION, None, path, message)  # a section that was made on the way
        return Fault(self.file, None, path, message)

    def foreign_fault(self, path: KeyPath, message: str) -> Fault:
        """Return a fault at `path` in the words of others, which may quote any piece of the value that is there.

        Where a reference stands there, above or below, they are kept back; elsewhere any secret is, as a whole.
        """
        if references := self._references(path):
            return self.fault(path, f"is not accepted; why is not shown, for it may tell what {references[0]} holds")
        return self.fault(path, self.without_secrets(message))

    def without_secrets(self, text: str) -> str:
        """Return `text` without any secret as a whole."""
        for secret in self.secrets.values():
            text = secret.strike(text)
        return text

    def _references(self, path: KeyPath) -> list[Reference]:
        related = (where for where in self.secrets if begins(path, where) or begins(where, path))
        return [self.secrets[where].reference for where in related]

    def reference(self, path: KeyPath) -> Reference | None:
        """Return the reference that stands exactly at `path`, if there is one."""
        secret = self.secrets.get(path)
        return None if secret is None else secret.reference
