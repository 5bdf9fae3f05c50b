"""Loads settings without a disk and an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imaged.config.load import Loaded, load


@dataclass(frozen=True)
class World:
    """Environment variables by name and files by path."""

    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    def load(self, text: str | bytes, *overrides: str) -> Loaded:
        """Load `text` as if it were the content of `etc/imaged.yaml`."""
        return load(text, "etc/imaged.yaml", overrides, environ=self.environ, read_bytes=self.read_bytes)

    def faults(self, text: str | bytes, *overrides: str) -> list[str]:
        """Return the messages of the faults of `text`."""
        return [str(fault) for fault in self.load(text, *overrides).faults]

    def read_bytes(self, path: str) -> bytes:
        """Read one of the files."""
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        content = self.files[path]
        return content.encode() if isinstance(content, str) else content
