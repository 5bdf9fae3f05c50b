"""A plugin that cannot be imported, as one whose own requirement is missing."""

from __future__ import annotations

raise ImportError("libpaint is not installed")
