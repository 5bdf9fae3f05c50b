"""HTTP responses of Manta."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Response:
    """One response. `body` is empty if it went to a file."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytearray) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_error(self) -> bool:
        """Whether the status is not 2xx."""
        return not 200 <= self.status < 300  # noqa: PLR2004  # HTTP's own figures

    @property
    def is_directory(self) -> bool:
        """Whether the path is a directory, whose listing is then the body."""
        return "type=directory" in self.headers.get("Content-Type", "").replace(" ", "")

    @property
    def code(self) -> str:
        """Manta's error code, empty if the body is not an error of Manta."""
        return str(self._error.get("code", ""))

    @property
    def message(self) -> str:
        """Manta's error message, empty if the body is not an error of Manta."""
        return str(self._error.get("message", ""))

    @property
    def _error(self) -> dict[str, Any]:
        try:
            error = json.loads(self.body) if self.is_error else {}
        except (ValueError, RecursionError):
            return {}
        return error if isinstance(error, dict) else {}
