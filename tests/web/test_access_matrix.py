"""Each combination of token, signature, list, expiry and address gets the status that a table says."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping
from itertools import product
from typing import TypeVar

from service_case import HOME, PICTURE, ServiceTestCase

from imaged.core.signatures import read_message, sign, upload_message

K = TypeVar("K", bound=Hashable)

OLD, NEW, FOREIGN = (f"{letter}-0123456789abcdefghij" for letter in "onf")
"""Signing keys: both of the settings, and one that is not there."""

LATER, EARLIER = str(int(time.time()) + 3600), str(int(time.time()) - 1)

TOKENS = {
    "poster": ("P-0123456789abcdefghij", "p", {"post"}),
    "editor": ("E-0123456789abcdefghij", "p", {"post", "process"}),
    "eraser": ("D-0123456789abcdefghij", "p", {"delete"}),
    "other": ("Q-0123456789abcdefghij", "q", {"post", "process", "delete"}),
}

ACCESS = {
    "tokens": [
        {"name": name, "token": token, "namespaces": [namespace], "actions": sorted(actions)}
        for name, (token, namespace, actions) in TOKENS.items()
    ],
    "signing_keys": [NEW, OLD],
}

FILES = {
    "w10.jpg": True,  # listed
    "w20-q50.webp": True,
    "w11.jpg": False,
    "w10.png": False,
    "w10-q75.jpg": False,
    "original": False,
    "info.json": True,
}
"""What a client may read without a signature."""

SIGNATURES = {
    "none": False,
    "first key": True,
    "second key": True,
    "unknown key": False,
    "expired": False,
    "not expired": True,
    "of another path": False,
    "of another time": False,
    "without its time": False,
    "too short": False,
    "too long": False,
    "empty": False,
    "in capitals": False,
}
"""Which signatures are right."""


def signed(path: str, how: str) -> str:
    """Return the target of a read with a signature."""
    late, early = read_message(path, LATER), read_message(path, EARLIER)
    targets = {
        "none": path,
        "first key": f"{path}?s={sign(NEW, path)}",
        "second key": f"{path}?s={sign(OLD, path)}",
        "unknown key": f"{path}?s={sign(FOREIGN, path)}",
        "expired": f"{early}&s={sign(NEW, early)}",
        "not expired": f"{late}&s={sign(NEW, late)}",
        "of another path": f"{path}?s={sign(NEW, path + 'x')}",
        "of another time": f"{late}&s={sign(NEW, early)}",
        "without its time": f"{path}?s={sign(NEW, late)}",
        "too short": f"{path}?s={sign(NEW, path)[:-1]}",
        "too long": f"{path}?s={sign(NEW, path)}A",
        "empty": f"{path}?s=",
        "in capitals": f"{path}?s={sign(NEW, path).swapcase()}",
    }
    return targets[how]


def upload(how: str) -> str:
    """Return the target of a post with a signature."""
    expires = EARLIER if how == "expired" else LATER
    most = {"too small": "100"}.get(how, "1000000")
    message = upload_message("/q" if how == "of another namespace" else "/p", expires, most)
    key = FOREIGN if how == "unknown key" else NEW
    if how == "of a read":
        return f"/p?s={sign(NEW, '/p')}"
    query = message.partition("?")[2].replace(most, "1000000")  # the client writes a larger number
    return f"/p?{query}&s={sign(key, message)}"


class TestReads(ServiceTestCase):
    """A signature opens what the list does not have; no token does."""

    async def test_files_by_signature_and_token(self) -> None:
        """200 for what is listed or signed, else 403; whatever token the client has."""
        await self.serve(
            access=ACCESS, images={"allowed_outputs": ["w10.jpg", "w{15,20}-q50.webp"], "public_original": False}
        )
        assert (await self.post(authorization=f"Bearer {TOKENS['poster'][0]}")).status == 200
        seen, expected = {}, {}
        for (file, is_listed), (how, is_right), token in product(
            FILES.items(), SIGNATURES.items(), ["", TOKENS["poster"][0], "x"]
        ):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            case = (file, how, token)
            seen[case] = (await self.get(signed(f"{HOME}/{file}", how), **headers)).status
            expected[case] = 200 if is_listed or is_right else 403
        assert _differences(seen, expected) == []


class TestWrites(ServiceTestCase):
    """A token opens its actions in its namespaces, a signed URL one upload."""

    async def test_a_request_has_one_authorization(self) -> None:
        """Two are 400, in any order: a proxy before imaged may have checked the other one."""
        await self.serve(access=ACCESS)
        right, wrong = f"Bearer {TOKENS['poster'][0]}", "Bearer wrong"
        for first, last in ((right, wrong), (wrong, right), (right, right)):
            answer = await self.post(authorization=f"{first}\r\nAuthorization: {last}")
            assert (answer.status, answer.error) == (400, "more than one header Authorization: send one")

    async def test_writes_by_token(self) -> None:
        """200 or 204 for the right token, 403 for one without the right, 401 for none and for a wrong one."""
        await self.serve(access=ACCESS)
        requests = {
            "post": ("POST", "/p", PICTURE, 200),
            "process": ("POST", f"{HOME}/process?outputs=w10.jpg", b"", 200),
            "delete": ("DELETE", f"{HOME}/outputs", b"", 204),
        }
        assert (await self.post(authorization=f"Bearer {TOKENS['poster'][0]}")).status == 200
        seen, expected = {}, {}
        for action, (method, target, body, status) in requests.items():
            for header, name in _credentials():
                case = (action, header)
                answer = await self.ask(method, target, body, **({"authorization": header} if header else {}))
                seen[case] = answer.status
                _, namespace, actions = TOKENS.get(name, ("", "", set()))
                allowed = namespace == "p" and action in actions
                expected[case] = status if allowed else 403 if name else 401
                if expected[case] == 401:
                    assert answer.headers["www-authenticate"].startswith("Bearer"), case
        assert _differences(seen, expected) == []

    async def test_signed_uploads(self) -> None:
        """A signed URL is for one namespace, until its time, for bodies of at most its size."""
        await self.serve(access=ACCESS)
        expected = {
            "right": 200,
            "unknown key": 403,
            "expired": 403,
            "of another namespace": 403,
            "too small": 403,
            "of a read": 403,
        }
        seen = {how: (await self.post(upload(how))).status for how in expected}
        assert seen == expected

    async def test_a_signed_upload_has_a_size(self) -> None:
        """A body of more bytes than the signature allows is 413."""
        await self.serve(access=ACCESS)
        message = upload_message("/p", LATER, str(len(PICTURE) - 1))
        answer = await self.post(f"{message.removeprefix('POST ')}&s={sign(NEW, message)}")
        assert answer.status == 413


def _credentials() -> Iterator[tuple[str, str]]:
    """Yield headers, each with the name of the token that it gives, or an empty name."""
    yield "", ""
    for name, (token, _, _) in TOKENS.items():
        yield f"Bearer {token}", name
        yield f"bearer  {token}", name  # the scheme has no case, and any spaces may follow (RFC 9110, 11.4)
        yield f"Bearer {token[:-1]}", ""
        yield f"Bearer {token}x", ""
        yield f"Basic {token}", ""
    yield "Bearer", ""
    yield "Bearer é", ""


def _differences(seen: Mapping[K, int], expected: Mapping[K, int]) -> list[tuple[K, int, int]]:
    return [(case, seen[case], status) for case, status in expected.items() if seen[case] != status]
