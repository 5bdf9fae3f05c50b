"""Signatures of URLs, judged by values that OpenSSL has made."""

import pytest

from imaged.core.signatures import read_message, sign, upload_message, verify

KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (read_message("/p/f84/0ee/339d264d4bab1b169a653b1a91/w500.jpg"), "fOr3IW3lqxKy9pN4-wSlqQ"),
        (read_message("/p/f84/0ee/339d264d4bab1b169a653b1a91/w500.jpg", "1893456000"), "GYDLjmMEv2JkRoO15xkIpg"),
        (upload_message("/p", "1893456000", "5000000"), "NICrratSz5lKQh5b6iyPLg"),
        (upload_message("/p"), "H9DgO-sDV1kkZLEEB10m8Q"),
    ],
)
def test_a_message_has_the_signature_that_openssl_gives_it(message: str, expected: str) -> None:
    """A signature is the HMAC-SHA256 of `openssl dgst -sha256 -hmac KEY`, cut to 16 bytes, in base64url."""
    assert sign(KEY, message) == expected


def test_all_keys_verify() -> None:
    """A signature of any key is right; one of another message, a longer and a shorter one are wrong."""
    signature = sign(KEY, "/p/a")
    assert verify(["x" * 32, KEY], "/p/a", signature)
    assert not verify(["x" * 32], "/p/a", signature)
    for wrong in (
        sign(KEY, "/p/b"),
        signature[:-1],
        signature + "A",
        signature + "=",
        signature + "====",
        "",
        "é" * 22,
    ):
        assert not verify([KEY], "/p/a", wrong)


def test_a_signature_may_keep_its_padding() -> None:
    """Many libraries write base64url with the padding of RFC 4648, which says nothing else."""
    assert verify([KEY], "/p/a", sign(KEY, "/p/a") + "==")
