"""A plugin that cannot be imported: its requirement is missing."""

from __future__ import annotations

raise ImportError("libpaint is not installed")
