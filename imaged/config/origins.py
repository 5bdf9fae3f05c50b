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
        """Return a fault at `path`; what references stand for is struck out of the message."""
        for where, secret in self.secrets.items():
            related = begins(path, where) or begins(where, path)
            message = secret.redact(message) if related else secret.redact_whole(message)
        for length in range(len(path), 0, -1):
            if path[:length] in self.overridden:
                return Fault(OPTION, None, path, message)
            if path[:length] in self.lines:
                return Fault(self.file, self.lines[path[:length]], path, message)
            if length == len(path) and any(begins(set_path, path) for set_path in self.overridden):
                return Fault(OPTION, None, path, message)  # a section that was made on the way
        return Fault(self.file, None, path, message)

    def reference(self, path: KeyPath) -> Reference | None:
        """Return the reference that stands exactly at `path`, if there is one."""
        secret = self.secrets.get(path)
        return None if secret is None else secret.reference
