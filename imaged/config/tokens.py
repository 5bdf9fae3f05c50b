"""The settings of tokens, with which clients post, process and delete."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator

from imaged.config.messages import UnfitError
from imaged.config.section import Section
from imaged.config.values import Namespace, distinct
from imaged.core.access_request import WRITES, Action
from imaged.core.tokens import Token, digest_of, is_token

SHORTEST_SECRET = 20
"""How many characters a token or a signing key has at least: 20 random letters and digits cannot be guessed."""

FEWEST_CHARACTERS = 8
"""How many different ones it has at least. Of 20 random hex digits, one in a thousand has fewer."""

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}"
ALL = "all"
HIDDEN = "***"


_HOW_TOKEN = "`imaged token new` prints one"  # noqa: S105  # no password
_HOW_KEY = "`openssl rand -hex 32` prints one"


def _secret(value: object, how: str) -> str:
    """Return a secret of enough random characters, else raise UnfitError. No message quotes it."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise UnfitError("this secret is no text of ASCII characters: write {file: PATH} or {env: NAME}, or quote it")
    if not value:
        raise UnfitError(f"this secret is empty; {how}")
    if len(value) < SHORTEST_SECRET or len(set(value)) < FEWEST_CHARACTERS:
        raise UnfitError(f"this secret is too easy to guess: take at least {SHORTEST_SECRET} random characters; {how}")
    return value


def _key(value: object) -> str:
    return _secret(value, _HOW_KEY)


def _token(value: object) -> str:
    text = _secret(value, _HOW_TOKEN)
    if not is_token(text):
        raise UnfitError(f"a token has only letters, digits and -._~+/ (RFC 6750); {_HOW_TOKEN}")
    return text


def _name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise UnfitError("expected a name: 40 letters, digits and _.- at most, with a letter or digit first")
    return value


def _action(value: object) -> Action:
    if value not in list(WRITES):
        raise UnfitError(f"expected one of {', '.join(WRITES)}")
    return Action(str(value))


def _namespaces(value: Any) -> Any:
    """Return no namespaces for `all`, and refuse an empty list, which looks as if it meant none."""
    if value == ALL:
        return ()
    if isinstance(value, list | tuple) and not value:
        raise UnfitError("the list is empty: name namespaces, or say all")
    return value


def _all_actions(value: Any) -> Any:
    """Return all actions for `all`, as it stands for all namespaces."""
    return WRITES if value == ALL else value


def _actions(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    if not actions:
        raise UnfitError(f"the list is empty: name some of {', '.join(WRITES)}")
    return distinct(actions)


_LIST = Field(strict=False)
SecretText = Annotated[
    str, PlainValidator(_key, json_schema_input_type=str), PlainSerializer(lambda _: HIDDEN, return_type=str)
]
TokenText = Annotated[
    str, PlainValidator(_token, json_schema_input_type=str), PlainSerializer(lambda _: HIDDEN, return_type=str)
]
TokenName = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{NAME}$"})]
TokenNamespaces = Annotated[
    tuple[Namespace, ...],
    BeforeValidator(_namespaces, json_schema_input_type=Literal["all"] | tuple[Namespace, ...]),
    AfterValidator(distinct),
    PlainSerializer(lambda names: list(names) or ALL, return_type=Any),
    Field(strict=False, json_schema_extra={"default": ALL}),
]
WriteAction = Annotated[
    Action, PlainValidator(_action, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
TokenActions = Annotated[
    tuple[WriteAction, ...],
    BeforeValidator(_all_actions, json_schema_input_type=Literal["all"] | tuple[WriteAction, ...]),
    AfterValidator(_actions),
    _LIST,
]


class TokenSettings(Section):
    """One token, with which a client may write."""

    name: TokenName = Field(description="The name of the token in the log.")
    token: TokenText = Field(description="The token, best as a reference.")
    namespaces: TokenNamespaces = Field((), description="The namespaces that it is for, or all.")
    actions: TokenActions = Field(WRITES, description="What its bearer may do: post, process, delete; or all.")

    def token_value(self) -> Token:
        """Return what requests are compared with."""
        return Token(self.name, digest_of(self.token), frozenset(self.namespaces), frozenset(self.actions))


def told_apart(tokens: tuple[TokenSettings, ...]) -> tuple[TokenSettings, ...]:
    """Return tokens of different names and values, else raise UnfitError."""
    for index, token in enumerate(tokens):
        for other in tokens[:index]:
            if token.name == other.name:
                raise UnfitError(f"two tokens have the name {token.name}: give each its own")
            if token.token == other.token:
                raise UnfitError(f"{other.name} and {token.name} are the same token: make another one for each")
    return tokens


Tokens = Annotated[tuple[TokenSettings, ...], AfterValidator(told_apart), _LIST]
