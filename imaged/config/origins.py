"""Origins: sites, buckets and folders whose pictures are originals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from imaged.config.messages import UnfitError
from imaged.config.section import Section
from imaged.config.values import NULL_IS_EMPTY, BaseUrl, FolderPath, HeaderText, KeyPrefix, Namespace, PluginName
from imaged.core.errors import ImagedError
from imaged.core.source_urls import SourceUrl

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110, 5.6.2
_OURS = re.compile(
    r"(?i:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-.*|expect|range|if-.*|accept-encoding)"
)
"""The headers that imaged sets itself, or that would change what the body of the answer means."""


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value) or _OURS.fullmatch(value):
        raise UnfitError("expected the name of a header that imaged does not set itself, such as Authorization")
    return value


HeaderName = Annotated[str, AfterValidator(_header_name)]


class OriginSettings(Section):
    """An origin, whose pictures are at /{namespace}/@{origin}/{path}/{output}: a site, a bucket or a folder."""

    url: BaseUrl = Field("", description="The URL of a site; the path of a picture follows it.")
    headers: Annotated[Mapping[HeaderName, HeaderText], NULL_IS_EMPTY] = Field(
        default_factory=dict, repr=False, description="Further headers of requests to the site, such as Authorization."
    )
    plugin: PluginName | None = Field(None, description="The uploader plugin that reads a bucket.")
    options: Annotated[Mapping[str, Any] | None, Field(repr=False)] = Field(
        None, repr=False, description="The options of the plugin for this origin; without them, those in plugins."
    )
    base_path: KeyPrefix = Field("", description="The prefix of every key in the bucket.")
    path: FolderPath | None = Field(None, description="A folder of this machine, without symbolic links below it.")
    namespace: Namespace = Field(description="The namespace that keeps the pictures.")
    ttl_s: float = Field(
        86_400.0, ge=0, le=31_536_000, description="The seconds after which a picture is asked for again."
    )

    @field_validator("url")
    @classmethod
    def _is_fetched(cls, url: str) -> str:
        try:
            if url:
                SourceUrl.parse(url)
        except ImagedError as error:
            raise UnfitError(f"expected the URL of a site: {error}") from error
        return url

    @model_validator(mode="after")
    def _is_one_place(self) -> OriginSettings:
        places = {"url": self.url, "plugin": self.plugin, "path": self.path}
        given = [name for name, value in places.items() if value]
        if len(given) != 1:
            raise UnfitError(f"set one of url, plugin and path; this has {' and '.join(given) or 'none'}")
        for name, value, place in (
            ("headers", self.headers, "url"),
            ("options", self.options, "plugin"),
            ("base_path", self.base_path, "plugin"),
        ):
            if value and given != [place]:
                raise UnfitError(f"{name} belongs to an origin with {place}: remove it")
        return self
