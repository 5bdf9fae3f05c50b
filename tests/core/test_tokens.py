"""Tokens of clients: how they are sent, compared, and what they allow."""

from __future__ import annotations

import pytest

from imaged.core.access_request import WRITES, Action
from imaged.core.tokens import Token, bearer_token, digest_of, find_token, is_token

ONE, TWO = "imaged_one-0123456789", "imaged_two-0123456789"


def token(name: str, text: str, *namespaces: str, actions: tuple[Action, ...] = WRITES) -> Token:
    """Return a configured token."""
    return Token(name, digest_of(text), frozenset(namespaces), frozenset(actions))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic dTpw", None),
        ("Bearerabc", None),
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc ", "abc"),
        ("Bearer a b", "a b"),
    ],
)
def test_the_header_of_a_token(header: str | None, expected: str | None) -> None:
    """The scheme is in any case (RFC 9110, 11.1), and another scheme brings no token."""
    assert bearer_token(header) == expected


def test_each_configured_token_is_found() -> None:
    """Several are valid at a time, and nothing that is only similar to one of them."""
    configured = [token("one", ONE), token("two", TWO)]
    assert [find_token(configured, text) for text in (ONE, TWO)] == configured
    for wrong in ("", ONE[:-1], f"{ONE}0", ONE.upper(), f" {ONE}", "imaged", "\xfc\ud7ff"):
        assert find_token(configured, wrong) is None
    assert find_token([], ONE) is None


def test_what_a_token_allows() -> None:
    """It allows its actions in its namespaces; one that lists no namespace is for all of them."""
    some, everywhere = token("a", ONE, "p", "q", actions=(Action.POST,)), token("b", TWO)
    assert [some.allows(Action.POST, name) for name in ("p", "q", "r")] == [True, True, False]
    assert not some.allows(Action.DELETE, "p")
    assert all(everywhere.allows(action, "any") for action in WRITES)


def test_a_token_prints_without_its_digest() -> None:
    """A repr may reach a log."""
    assert "digest" not in repr(token("a", ONE))


@pytest.mark.parametrize(
    ("text", "valid"), [("imaged_A-z~.+/0=", True), ("a b", False), ("a=b", False), ("ä", False), ("", False)]
)
def test_the_characters_of_a_token(text: str, *, valid: bool) -> None:
    """A header can hold those of RFC 6750, 2.1."""
    assert is_token(text) is valid
