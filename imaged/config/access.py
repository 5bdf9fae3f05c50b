"""Who may write, how much a client may ask for, and how long an erasure is remembered."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from imaged.config.messages import UnfitError
from imaged.config.section import Section
from imaged.config.values import Namespace, TrustedProxies, distinct
from imaged.core.asked import WRITES, Action

SHORTEST_SECRET = 20
"""How many characters a token or a signing key has at least: 20 random letters and digits cannot be guessed."""


def _secret(value: object) -> str:
    if not isinstance(value, str) or len(value) < SHORTEST_SECRET or not value.isascii() or not value.isprintable():
        raise UnfitError(
            f"expected at least {SHORTEST_SECRET} random characters of ASCII, kept in a file or a variable"
        )
    return value


def _action(value: object) -> Action:
    if value not in list(WRITES):
        raise UnfitError(f"expected one of {', '.join(WRITES)}")
    return Action(str(value))


_LIST = Field(strict=False)
SecretText = Annotated[str, PlainValidator(_secret, json_schema_input_type=str)]
WriteAction = Annotated[Action, PlainValidator(_action, json_schema_input_type=str)]
TokenName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]


class TokenSettings(Section):
    """One token, with which a client may write."""

    name: TokenName = Field(description="The name of the token in logs.")
    token: SecretText = Field(description="The token, by reference.", repr=False)
    namespaces: Annotated[tuple[Namespace, ...], AfterValidator(distinct), _LIST] = Field(
        (), description="The namespaces that it is for; []: all."
    )
    actions: Annotated[tuple[WriteAction, ...], AfterValidator(distinct), _LIST] = Field(
        WRITES, description="What its bearer may do: post, process, delete."
    )


class AccessSettings(Section):
    """Who may write, and the keys that sign URLs."""

    tokens: Annotated[tuple[TokenSettings, ...], _LIST] = Field(
        (), description="The tokens of clients that post, process and delete; without one, writing is open."
    )
    open: bool = Field(False, description="Whether writing is open to every client of a port that others can reach.")
    signing_keys: Annotated[tuple[SecretText, ...], AfterValidator(distinct), _LIST] = Field(
        (), repr=False, description="The keys that sign URLs: the first signs, all verify."
    )


class LimitsSettings(Section):
    """How much each client may ask for, and who tells the addresses of clients. 0: no limit."""

    requests_per_s: float = Field(0.0, ge=0, le=1_000_000, description="The requests of a client in a second; 0: any.")
    posts_per_minute: int = Field(0, ge=0, le=1_000_000, description="The posts of a client in a minute; 0: any.")
    renders_per_minute: int = Field(
        0, ge=0, le=1_000_000, description="The new outputs that a client orders in a minute; 0: any."
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
