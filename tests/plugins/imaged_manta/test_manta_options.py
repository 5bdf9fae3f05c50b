"""What is wrong with the options of Manta is told before the daemon starts, in a line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from manta_identity import md5_id, sha256_id, write_key

from imaged.api import OptionsError
from imaged.testing.fakes import make_host
from imaged_manta import Manta, imaged_uploader
from imaged_manta.options import Options

PEM, OPENSSH = PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH


@pytest.fixture
def options(private: rsa.RSAPrivateKey, tmp_path: Path) -> dict[str, Any]:
    """Return options that need no Manta."""
    path = write_key(private, tmp_path / "id_rsa")
    return {"url": "https://manta.test", "account": "jo", "key_id": md5_id(private), "key_file": str(path)}


def fault(options: dict[str, Any]) -> str:
    """Return the one thing that is wrong with options."""
    with pytest.raises(OptionsError) as caught:
        imaged_uploader(make_host("manta", options))
    (error,) = caught.value.error.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error.get('ctx', {}).get('error', error['msg'])}"


def test_good_options_make_an_uploader_and_ask_nobody(options: dict[str, Any]) -> None:
    """It says whom it is on the status page, and a host without a network will do."""
    uploader = imaged_uploader(make_host("manta", {**options, "user": "fred"}))
    assert isinstance(uploader, Manta)
    assert uploader.detail == "https://manta.test as jo/fred"
    assert uploader.identity == "manta.test/jo"
    assert uploader.noted_as == uploader.detail


@pytest.mark.parametrize(
    ("changes", "identity"),
    [
        ({"url": "https://Manta.test:443/"}, "manta.test/jo"),
        ({"url": "https://manta.test:8443"}, "manta.test:8443/jo"),
        ({"user": "fred", "roles": ["writer"]}, "manta.test/jo"),
        ({"folder": "stor/pictures/"}, "manta.test/jo/stor/pictures"),
        ({"account": "ann"}, "manta.test/ann"),
    ],
)
def test_it_is_known_by_its_host_account_and_folder(
    options: dict[str, Any], changes: dict[str, Any], identity: str
) -> None:
    """And not by who signs: another user of the account writes to the same place."""
    uploader = imaged_uploader(make_host("manta", {**options, **changes}))
    assert isinstance(uploader, Manta)
    assert uploader.identity == identity


@pytest.mark.parametrize(
    "named", [md5_id, lambda key: f"MD5:{md5_id(key)}", lambda key: md5_id(key).upper(), sha256_id]
)
def test_a_key_is_named_by_any_fingerprint(options: dict[str, Any], private: rsa.RSAPrivateKey, named: Any) -> None:
    """As ssh-keygen shows it, today or ten years ago."""
    assert imaged_uploader(make_host("manta", {**options, "key_id": named(private)}))


@pytest.mark.parametrize("form", [PEM, OPENSSH])
@pytest.mark.parametrize("curve", [None, ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_keys_are_read_in_both_forms(
    options: dict[str, Any], private: rsa.RSAPrivateKey, tmp_path: Path, form: PrivateFormat, curve: Any
) -> None:
    """RSA and ECDSA, in PEM and in OpenSSH's own form."""
    key = private if curve is None else ec.generate_private_key(curve)
    path = write_key(key, tmp_path / "key", form)
    assert imaged_uploader(make_host("manta", {**options, "key_id": md5_id(key), "key_file": str(path)}))


@pytest.mark.parametrize("form", [PEM, OPENSSH])
def test_a_passphrase_opens_a_key(
    options: dict[str, Any], private: rsa.RSAPrivateKey, tmp_path: Path, form: PrivateFormat
) -> None:
    """And a wrong one, or none, is told."""
    if form == OPENSSH:
        pytest.importorskip("bcrypt", reason="no bcrypt, with which OpenSSH encrypts keys")
    path = str(write_key(private, tmp_path / "locked", form, "open sesame"))
    good = {**options, "key_file": path, "key_passphrase": "open sesame"}
    assert imaged_uploader(make_host("manta", good))
    assert fault({**good, "key_passphrase": "close"}) == f"key_file: {path} does not open with key_passphrase"
    assert fault({**options, "key_file": path}) == f"key_file: {path} is encrypted: set key_passphrase"


def test_a_passphrase_too_many_is_told(options: dict[str, Any]) -> None:
    """It may be meant for another file."""
    told = fault({**options, "key_passphrase": "open sesame"})
    assert told == f"key_file: {options['key_file']} is not encrypted: remove key_passphrase"


def test_key_files_that_will_not_do(options: dict[str, Any], tmp_path: Path) -> None:
    """Missing, no key at all, of a kind that Manta does not take, or another one than was named."""
    missing, text, new = tmp_path / "missing", tmp_path / "text", tmp_path / "new"
    text.write_text("hello")
    new.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, OPENSSH, NoEncryption()))
    other = ec.generate_private_key(ec.SECP256R1())
    another = write_key(other, tmp_path / "another")
    for path, meaning in (
        (missing, "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (text, "is not a private key in PEM or OpenSSH form"),
        (new, "holds a key of a kind that Manta does not take: use an RSA or an ECDSA one"),
        (another, f"holds another key than key_id says: its fingerprint is {md5_id(other)}"),
    ):
        assert fault({**options, "key_file": str(path)}) == f"key_file: {path} {meaning}"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"url": "manta.test"}, "url: not an address such as https://us-central.manta.mnx.io"),
        ({"url": "https://manta.test:port"}, "url: not an address such as https://us-central.manta.mnx.io"),
        ({"url": "https://manta.test:0"}, "url: not an address such as https://us-central.manta.mnx.io"),
        ({"url": "https://jo@manta.test"}, "url: only https:// and a host, perhaps with a port"),
        ({"url": "https://manta.test/jo/stor"}, "url: only https:// and a host, perhaps with a port"),
        ({"url": "http://manta.test"}, "url: use https://: plain http:// is for Manta on this machine's own loopback"),
        ({"account": "jo/stor"}, "account: not a name of an account or a user"),
        ({"user": ""}, "user: not a name of an account or a user"),
        ({"roles": ["a,b"]}, "roles: not names of roles"),
        ({"key_id": "aa:bb"}, "key_id: not a fingerprint, such as aa:bb:… or SHA256:…"),
        ({"key_id": None, "key_file": None}, ": https needs key_id, the fingerprint of the SSH key to sign with"),
        ({"key_id": None}, ": key_file needs key_id, the fingerprint of the key: ssh-keygen -l -E md5 -f FILE"),
        ({"folder": "images"}, "folder: a folder of Manta begins with public or stor, as in stor/images"),
        ({"folder": "stor/../jobs"}, "folder: a folder of Manta begins with public or stor, as in stor/images"),
        ({"tls_insecure": True}, "tls_insecure: Extra inputs are not permitted"),
    ],
)
def test_other_faults(options: dict[str, Any], changes: dict[str, Any], told: str) -> None:
    """Each at its key."""
    assert fault({**options, **changes}).startswith(told)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:8080"])
def test_a_compute_zone_needs_no_key(host: str) -> None:
    """Its own Manta is at the loopback address and knows the zone."""
    assert imaged_uploader(make_host("manta", {"url": f"http://{host}", "account": "jo"}))


def test_secrets_are_not_shown(options: dict[str, Any], private: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    """Whoever prints the options does not print the passphrase."""
    path = write_key(private, tmp_path / "locked", PEM, "open sesame")
    made = Options(**{**options, "key_file": str(path), "key_passphrase": "open sesame"})
    assert "sesame" not in repr(made)
