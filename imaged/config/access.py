"""Who may write, how much a client may ask for, and how long an erasure is remembered."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from imaged.config.messages import UnfitError
from imaged.config.section import Section
from imaged.config.tokens import SecretText, Tokens
from imaged.config.values import TrustedProxies, distinct
from imaged.core.tokens import Token

_LIST = Field(strict=False)


class AccessSettings(Section):
    """Who may write, and the keys that sign URLs."""

    tokens: Tokens = Field(
        (), description="The tokens of clients that post, process and delete; without one, writing is open."
    )
    open: bool = Field(False, description="Whether writing is open to every client of a port that others can reach.")
    signing_keys: Annotated[tuple[SecretText, ...], AfterValidator(distinct), _LIST] = Field(
        (), description="The keys that sign URLs: the first signs, all verify."
    )

    @field_validator("open")
    @classmethod
    def _not_both(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's signature
        if value and info.data.get("tokens"):
            raise UnfitError("access.tokens lists tokens, so writing is not open: remove one of the two")
        return value

    @property
    def needs_private_port(self) -> bool:
        """Whether writing is open without a token, to programs of this machine alone."""
        return not self.tokens and not self.open

    @property
    def open_to(self) -> str | None:
        """Who may write without a token, in words for the operator; None where a token is needed."""
        if self.tokens:
            return None
        return "every client" if self.open else "programs of this machine, and through a proxy that hides its clients"

    @cached_property
    def known_tokens(self) -> tuple[Token, ...]:
        """The tokens as requests are compared with them. Without one, writing is open."""
        return tuple(each.token_value() for each in self.tokens)


class LimitsSettings(Section):
    """How much each client may ask for, and who tells the addresses of clients. 0: no limit."""

    requests_per_s: float = Field(0.0, ge=0, le=1_000_000, description="The requests of a client in a second; 0: any.")
    posts_per_minute: int = Field(0, ge=0, le=1_000_000, description="The posts of a client in a minute; 0: any.")
    renders_per_minute: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="The new outputs, and the fetches of originals, of a client in a minute; 0: any.",
    )
    connections: int = Field(0, ge=0, le=1_000_000, description="The open connections of a client; 0: any.")
    trusted_proxies: TrustedProxies = Field(
        (), description="The networks of proxies, or unix, that tell the addresses of their clients."
    )
    proxy_protocol: bool = Field(
        False, description="Whether each connection of a trusted proxy begins with a PROXY header, version 1 or 2."
    )

    @model_validator(mode="after")
    def _proxies_send_the_header(self) -> Self:
        if self.proxy_protocol and not self.trusted_proxies:
            raise UnfitError("proxy_protocol needs trusted_proxies: list the networks that the headers come from")
        return self


class EraseSettings(Section):
    """The memory of erasures."""

    remember_days: int = Field(
        90, ge=1, le=36_500, description="How many days imaged remembers that a picture was erased."
    )
    refuse_again: bool = Field(False, description="Whether the same bytes are refused while that is remembered.")
