"""The guard of writes: tokens, open writing, signed upload URLs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest

from imaged.config.access import AccessSettings
from imaged.config.images import ImagePolicy
from imaged.config.model import Settings
from imaged.core.access_request import WRITES, AccessRequest, Action
from imaged.core.errors import ForbiddenError, ImagedError, UnauthorizedError
from imaged.core.signatures import sign, upload_message
from imaged.core.tokens import CHALLENGE, INSUFFICIENT, INVALID
from imaged.web.writes import guard_writes, token_of, upload_limit_bytes

NOW_S = 1_800_000_000
ALL, POSTS, OLD = "imaged_all-0123456789", "imaged_posts-0123456789", "imaged_old-0123456789"
KEY, OLD_KEY = "the-first-key-0123456789", "the-other-key-0123456789"
TOKENS = (
    {"name": "all", "token": ALL},
    {"name": "posts", "token": POSTS, "namespaces": ["p"], "actions": ["post"]},
)
HERE, THERE = "127.0.0.1", "192.0.2.7"
guard = guard_writes(lambda: float(NOW_S))


def settings(tokens: object = TOKENS, **access: object) -> Settings:
    """Return settings with tokens and signing keys."""
    chosen = {"tokens": tokens, "signing_keys": [KEY, OLD_KEY], **access}
    return Settings(access=AccessSettings.model_validate(chosen))


def status(request: AccessRequest, given: Settings) -> int:
    """Return the status of a refusal, or 200."""
    try:
        guard(request, given)
    except ImagedError as error:
        return error.status
    return 200


def bearer(token: str | None) -> str | None:
    """Return the header of a token."""
    return None if token is None else f"Bearer {token}"


@pytest.mark.parametrize(
    ("token", "expected"),
    [  # the status of post, process, delete in p, then in q
        (None, [401, 401, 401, 401, 401, 401]),
        ("wrong", [401, 401, 401, 401, 401, 401]),
        (OLD, [401, 401, 401, 401, 401, 401]),
        (ALL, [200, 200, 200, 200, 200, 200]),
        (POSTS, [200, 403, 403, 403, 403, 403]),
    ],
)
@pytest.mark.parametrize("address", [HERE, THERE, "unix", "::1"])
def test_with_tokens(token: str | None, expected: list[int], address: str) -> None:
    """A token allows its actions in its namespaces, from any address; without one nothing is written."""
    requests = [
        AccessRequest(action, namespace, f"/{namespace}", authorization=bearer(token), address=address)
        for namespace, action in product("pq", WRITES)
    ]
    assert [status(each, settings()) for each in requests] == expected


@pytest.mark.parametrize(
    ("address", "is_forwarded", "private", "opened"),
    [
        (HERE, False, 200, 200),
        ("127.9.9.9", False, 200, 200),
        ("::1", False, 200, 200),
        ("::ffff:127.0.0.1", False, 200, 200),
        ("unix", False, 200, 200),
        (HERE, True, 403, 200),
        ("unix", True, 403, 200),
        (THERE, False, 403, 200),
        ("2001:db8::1", False, 403, 200),
        ("::ffff:192.0.2.7", False, 403, 200),
        ("fe80::1%eth0", False, 403, 200),
        ("", False, 403, 200),
    ],
)
@pytest.mark.parametrize("authorization", [None, bearer("any"), "Basic dTpw"])
def test_without_tokens(
    address: str,
    is_forwarded: bool,  # noqa: FBT001  # a column of the table
    private: int,
    opened: int,
    authorization: str | None,
) -> None:
    """Programs of this machine write, no proxy that says for whom; every client does where the settings say so.

    A header for another server, such as a proxy, does not matter.
    """
    for action, namespace in product(WRITES, "pq"):
        request = AccessRequest(
            action,
            namespace,
            f"/{namespace}",
            authorization=authorization,
            address=address,
            is_forwarded=is_forwarded,
        )
        assert status(request, settings(())) == private
        assert status(request, settings((), open=True)) == opened


@pytest.mark.parametrize(
    ("page", "expected"), [(None, 200), ("https://www.example.com", 200), ("https://evil.example", 403), ("null", 403)]
)
def test_pages_without_tokens(page: str | None, expected: int) -> None:
    """A page of another host writes only if its origin is listed: its browser is on this machine, the page is not."""
    images = ImagePolicy(allow_origins=("https://www.example.com", "*"))
    for action in WRITES:
        request = AccessRequest(action, "p", "/p", address=HERE, page=page)
        assert status(request, settings(()).model_copy(update={"images": images})) == expected
        assert status(request, settings((), open=True)) == 200
        assert status(replace(request, authorization=bearer(ALL)), settings()) == 200


@pytest.mark.parametrize("given", [settings(), settings(()), settings((), open=True)])
def test_reads_are_not_its_matter(given: Settings) -> None:
    """Reads pass, with and without a token."""
    for token in (None, "wrong", POSTS):
        assert status(AccessRequest(Action.READ, "p", "/p/x", authorization=bearer(token), address=THERE), given) == 200


def test_challenges() -> None:
    """They say which scheme to use, and what was wrong (RFC 6750, 3)."""
    for token, kind, challenge in (
        (None, UnauthorizedError, CHALLENGE),
        ("wrong", UnauthorizedError, INVALID),
        (POSTS, ForbiddenError, INSUFFICIENT),
    ):
        with pytest.raises(kind) as caught:
            guard(AccessRequest(Action.DELETE, "p", "/p", authorization=bearer(token)), settings())
        assert isinstance(caught.value, UnauthorizedError | ForbiddenError)
        assert caught.value.challenge == challenge
        assert "wrong" not in str(caught.value)


def upload(*, key: str = KEY, path: str = "/p", **parameters: str) -> Mapping[str, str]:
    """Return the parameters of a signed upload URL."""
    message = upload_message(path, parameters.get("e"), parameters.get("maximum_bytes"))
    return {**parameters, "s": sign(key, message)}


SOON, PAST = str(NOW_S + 600), str(NOW_S)
SIGNED = upload(e=SOON, maximum_bytes="1000")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (SIGNED, 200),
        (upload(e=SOON), 200),
        (upload(e=SOON, key=OLD_KEY), 200),
        (upload(e=PAST), 403),
        (upload(e=SOON, key="another-key-0123456789"), 403),
        (upload(e=SOON, path="/q"), 403),
        (upload(), 403),
        ({"e": SOON}, 403),
        ({"maximum_bytes": "5"}, 403),
        ({**SIGNED, "s": ""}, 403),
        ({**SIGNED, "s": SIGNED["s"][:-1]}, 403),
        ({**SIGNED, "s": f"{SIGNED['s']}="}, 403),
        ({**SIGNED, "s": "\xfc" * 22}, 403),
        ({**SIGNED, "e": str(NOW_S + 601)}, 403),
        ({**SIGNED, "maximum_bytes": "1001"}, 403),
        ({key: SIGNED[key] for key in ("s", "e")}, 403),
        (upload(e="soon"), 400),
        (upload(e="-1"), 400),
        (upload(e="\u0661"), 400),
        (upload(e="9" * 5000), 400),
        (upload(e=SOON, maximum_bytes="many"), 400),
    ],
)
def test_signed_upload_urls(parameters: Mapping[str, str], expected: int) -> None:
    """A key signs one namespace, a time of expiry, and a size; the token and open writing do not matter."""
    for given, authorization in product((settings(), settings((), open=True)), (None, bearer(ALL), bearer("wrong"))):
        request = AccessRequest(
            Action.POST, "p", "/p", parameters=parameters, authorization=authorization, address=HERE
        )
        assert status(request, given) == expected
        assert token_of(request, given.access) is None


def test_a_signature_is_for_posts_alone() -> None:
    """To process and to delete takes a token."""
    for action in (Action.PROCESS, Action.DELETE):
        assert status(AccessRequest(action, "p", "/p", parameters=SIGNED), settings()) == 401


def test_without_a_signing_key_no_signature_is_right() -> None:
    """Not even one that an empty key made."""
    request = AccessRequest(Action.POST, "p", "/p", parameters=upload(e=SOON, key=""))
    assert status(request, settings(signing_keys=[])) == 403


def test_the_token_of_a_request() -> None:
    """It is the one that let the request pass."""
    access = settings().access
    for token, name in ((ALL, "all"), (POSTS, "posts")):
        found = token_of(AccessRequest(Action.POST, "p", "/p", authorization=bearer(token)), access)
        assert found is not None
        assert found.name == name
    assert token_of(AccessRequest(Action.POST, "p", "/p", authorization=bearer("wrong")), access) is None
    assert token_of(AccessRequest(Action.POST, "p", "/p"), access) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/p", 100),
        (b"/p?outputs=x", 100),
        (b"/p?maximum_bytes=99", 99),
        (b"/p?maximum_bytes=101", 100),
        (b"/p?maximum_bytes=0", 0),
        (b"/p?maximum_bytes=x", 100),
        (b"/p?maximum_bytes=", 100),
    ],
)
def test_the_largest_body(target: bytes, expected: int) -> None:
    """A URL may make it smaller, not larger."""
    assert upload_limit_bytes(target, 100) == expected


def test_wrong_tokens_and_signatures_take_no_memory() -> None:
    """10,000 different ones leave nothing behind."""
    given = settings()

    def ask(count: int) -> None:
        for number in range(count):
            wrong = f"{number:020}"
            assert status(AccessRequest(Action.POST, "p", "/p", authorization=bearer(wrong)), given) == 401
            assert status(AccessRequest(Action.POST, "p", "/p", parameters={**SIGNED, "s": wrong}), given) == 403

    ask(1000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        ask(10_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
