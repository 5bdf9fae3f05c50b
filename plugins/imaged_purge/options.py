"""The section `plugins.purge` of the YAML file."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from imaged.api import UnfitError

HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
"""The name of a header (RFC 9110, 5.6.2)."""

HOST = r"^[A-Za-z0-9._-]+(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?$"
"""A host name or an address, with a port or without."""

TAG_HEADERS = {"BAN": "Cache-Tag", "POST": "Surrogate-Key"}
"""The header with the tag, where the settings name none. A PURGE has none: it is sent for each path."""

_URL = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[ -~]*")


class Options(BaseModel):
    """The section `plugins.purge` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    urls: tuple[str, ...] = Field(
        min_length=1, description="The caches, each with its port, and with a path where its purges need one."
    )
    method: Literal["PURGE", "BAN", "POST"] = Field(
        default="PURGE", description="PURGE: a request for each path. BAN, POST: one request with the tag in a header."
    )
    tag_header: Annotated[str, Field(pattern=HEADER)] | None = Field(
        default=None,
        description="The header with the tag; none: Cache-Tag for BAN, Surrogate-Key for POST. With PURGE, one request "
        "has the tag instead of the paths.",
    )
    hosts: tuple[Annotated[str, Field(pattern=HOST)], ...] = Field(
        default=(),
        description="The host names of the pictures' URLs, for a cache that tells them apart; none: that of the cache.",
    )
    headers: dict[Annotated[str, Field(pattern=HEADER)], SecretStr] = Field(
        default_factory=dict,
        description="Further headers of each request, such as Authorization, best as references.",
    )
    timeout_s: float = Field(default=10, gt=0, le=60, description="How long a cache may take for one answer.")

    @property
    def header(self) -> str | None:
        """The header with the tag, or None where each path has a request."""
        return self.tag_header or TAG_HEADERS.get(self.method)

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            try:
                parts = urlsplit(url)
                sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
            except ValueError:
                sound = False
            if not sound or not _URL.fullmatch(url) or "@" in parts.netloc or "?" in url or "#" in url:
                raise UnfitError("not an address such as http://127.0.0.1:6081, without user, query and fragment")
        return tuple(url.rstrip("/") for url in urls)

    @field_validator("headers")
    @classmethod
    def _are_one_line(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _VALUE.fullmatch(value.get_secret_value()):
                raise UnfitError(f"the value of {name} has characters that no header may have")
            if name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
                raise UnfitError(f"{name} cannot be set here; hosts sets the host name")
        return headers
