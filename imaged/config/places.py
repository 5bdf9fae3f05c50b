"""Where each value stands: the line of its key, `--set`, or a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imaged.config.faults import Fault, KeyPath, begins
from imaged.config.messages import found, kind_of
from imaged.config.overrides import OPTION
from imaged.config.references import Reference


@dataclass(frozen=True, repr=False)
class Places:
    """Knows the place of every path. A path that nothing sets has the place of the section around it.

    `lines` are those of the file, `overridden` the paths that `--set` set, `references` those that give a value.
    """

    file: str
    lines: Mapping[KeyPath, int]
    overridden: frozenset[KeyPath]
    references: Mapping[KeyPath, Reference]

    def fault(self, path: KeyPath, message: str) -> Fault:
        """Return a fault at `path`. The message must not quote a value that a reference gives."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.overridden:
                return Fault(OPTION, None, path, message)
            if path[:length] in self.lines:
                return Fault(self.file, self.lines[path[:length]], path, message)
            if length == len(path) and any(begins(set_path, path) for set_path in self.overridden):
                return Fault(OPTION, None, path, message)  # a section that `--set` created
        return Fault(self.file, None, path, message)

    def describe(self, path: KeyPath, value: Any) -> str:
        """Return the value at `path` for a message; one from a reference only by its kind."""
        reference = self.references.get(path)
        return found(value) if reference is None else f"{kind_of(value)} from {reference}"

    def quoting_fault(self, path: KeyPath, message: str, quoted: KeyPath | None = None) -> Fault:
        """Return a fault at `path` whose message may quote the value at `quoted`, or at `path`.

        If a reference stands there, above or below, the fault names the reference instead.
        """
        quoted = path if quoted is None else quoted
        for where, reference in self.references.items():
            if begins(quoted, where) or begins(where, quoted):
                return self.fault(path, f"is not accepted; why is not shown, for it may tell what {reference} holds")
        return self.fault(path, message)
