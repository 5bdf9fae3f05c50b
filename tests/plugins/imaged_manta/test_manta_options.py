"""Invalid options of Manta are reported before the daemon starts, in one line with advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from manta_identity import md5_id, sha256_id, write_key

from imaged.api import OptionsError
from imaged.testing.fakes import make_host
from imaged_manta import imaged_uploader
from imaged_manta.options import Options
from imaged_manta.uploader import MantaUploader

PEM, OPENSSH = PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH


@pytest.fixture
def options(private: rsa.RSAPrivateKey, tmp_path: Path) -> dict[str, Any]:
    """Return valid options, without a Manta."""
    path = write_key(private, tmp_path / "id_rsa")
    return {"url": "https://manta.test", "account": "jo", "key_id": md5_id(private), "key_file": str(path)}


def fault(options: dict[str, Any]) -> str:
    """Return the one fault of invalid options."""
    with pytest.raises(OptionsError) as caught:
        imaged_uploader(make_host("manta", options))
    (error,) = caught.value.error.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error.get('ctx', {}).get('error', error['msg'])}"


def test_valid_options_make_an_uploader_without_a_network(options: dict[str, Any]) -> None:
    """`detail` names the store for the status page, and no request is sent."""
    uploader = imaged_uploader(make_host("manta", {**options, "user": "fred"}))
    assert isinstance(uploader, MantaUploader)
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
def test_identity_is_host_account_and_folder(options: dict[str, Any], changes: dict[str, Any], identity: str) -> None:
    """`identity` does not depend on the user who signs."""
    uploader = imaged_uploader(make_host("manta", {**options, **changes}))
    assert isinstance(uploader, MantaUploader)
    assert uploader.identity == identity


@pytest.mark.parametrize(
    "named", [md5_id, lambda key: f"MD5:{md5_id(key)}", lambda key: md5_id(key).upper(), sha256_id]
)
def test_a_key_is_named_by_any_fingerprint(options: dict[str, Any], private: rsa.RSAPrivateKey, named: Any) -> None:
    """`key_id` may be any fingerprint that old or new versions of ssh-keygen show."""
    assert imaged_uploader(make_host("manta", {**options, "key_id": named(private)}))


@pytest.mark.parametrize("form", [PEM, OPENSSH])
@pytest.mark.parametrize("curve", [None, ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_keys_are_read_in_both_forms(
    options: dict[str, Any], private: rsa.RSAPrivateKey, tmp_path: Path, form: PrivateFormat, curve: Any
) -> None:
    """RSA and ECDSA keys are read, in PEM and in OpenSSH format."""
    key = private if curve is None else ec.generate_private_key(curve)
    path = write_key(key, tmp_path / "key", form)
    assert imaged_uploader(make_host("manta", {**options, "key_id": md5_id(key), "key_file": str(path)}))


@pytest.mark.parametrize("form", [PEM, OPENSSH])
def test_a_passphrase_opens_a_key(
    options: dict[str, Any], private: rsa.RSAPrivateKey, tmp_path: Path, form: PrivateFormat
) -> None:
    """A wrong or missing passphrase is reported."""
    if form == OPENSSH:
        pytest.importorskip("bcrypt", reason="no bcrypt, with which OpenSSH encrypts keys")
    path = str(write_key(private, tmp_path / "locked", form, "open sesame"))
    good = {**options, "key_file": path, "key_passphrase": "open sesame"}
    assert imaged_uploader(make_host("manta", good))
    assert fault({**good, "key_passphrase": "close"}) == f"key_file: {path} does not open with key_passphrase"
    assert fault({**options, "key_file": path}) == f"key_file: {path} is encrypted: set key_passphrase"


def test_a_needless_passphrase_is_reported(options: dict[str, Any]) -> None:
    """A passphrase for a key that is not encrypted is an error: it may be meant for another file."""
    message = fault({**options, "key_passphrase": "open sesame"})
    assert message == f"key_file: {options['key_file']} is not encrypted: remove key_passphrase"


def test_invalid_key_files(options: dict[str, Any], tmp_path: Path) -> None:
    """A key file that is missing, no key, of an unsupported type, or another key than `key_id`, is reported."""
    missing, text, new = tmp_path / "missing", tmp_path / "text", tmp_path / "new"
    text.write_text("hello")
    new.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, OPENSSH, NoEncryption()))
    other = ec.generate_private_key(ec.SECP256R1())
    another = write_key(other, tmp_path / "another")
    for path, meaning in (
        (missing, "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (text, "is not a private key in PEM or OpenSSH format"),
        (new, "has a type of key that Manta does not accept: use an RSA or ECDSA key"),
        (another, f"has another key than key_id: its fingerprint is {md5_id(other)}"),
    ):
        assert fault({**options, "key_file": str(path)}) == f"key_file: {path} {meaning}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "manta.test"}, "url: not an address such as https://us-central.manta.mnx.io"),
        ({"url": "https://manta.test:port"}, "url: not an address such as https://us-central.manta.mnx.io"),
        ({"url": "https://manta.test:0"}, "url: not an address such as https://us-central.manta.mnx.io"),
        ({"url": "https://jo@manta.test"}, "url: only https://, a host and perhaps a port"),
        ({"url": "https://manta.test/jo/stor"}, "url: only https://, a host and perhaps a port"),
        ({"url": "http://manta.test"}, "url: use https://: plain http:// is for Manta on this machine's own loopback"),
        ({"account": "jo/stor"}, "account: not a name of an account or a user"),
        ({"user": ""}, "user: not a name of an account or a user"),
        ({"roles": ["a,b"]}, "roles: not names of roles"),
        ({"key_id": "aa:bb"}, "key_id: not a fingerprint, such as aa:bb:… or SHA256:…"),
        ({"key_id": None, "key_file": None}, ": https needs key_id, the fingerprint of the SSH key to sign with"),
        ({"key_id": None}, ": key_file needs key_id, the fingerprint of the key: run ssh-keygen -l -E md5 -f FILE"),
        ({"folder": "images"}, "folder: not a folder of Manta, which begins with public or stor"),
        (
            {"folder": "stor/../jobs"},
            "folder: not a folder of Manta, which begins with public or stor",
        ),
        ({"tls_insecure": True}, "tls_insecure: Extra inputs are not permitted"),
    ],
)
def test_other_faults(options: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    """Each fault names its option."""
    assert fault({**options, **changes}).startswith(message)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:8080"])
def test_a_compute_zone_needs_no_key(host: str) -> None:
    """Manta at the loopback address knows the zone."""
    assert imaged_uploader(make_host("manta", {"url": f"http://{host}", "account": "jo"}))


def test_secrets_are_not_shown(options: dict[str, Any], private: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    """The repr of the options hides the passphrase."""
    path = write_key(private, tmp_path / "locked", PEM, "open sesame")
    made = Options(**{**options, "key_file": str(path), "key_passphrase": "open sesame"})
    assert "sesame" not in repr(made)
