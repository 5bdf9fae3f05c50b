"""SSH keys: their fingerprints, their files, and their signatures."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pydantic import SecretStr

CURVES: dict[str, tuple[str, HashAlgorithm]] = {
    "secp256r1": ("ecdsa-sha256", SHA256()),
    "secp384r1": ("ecdsa-sha384", SHA384()),
    "secp521r1": ("ecdsa-sha512", SHA512()),
}
"""Manta's name of the signature algorithm for each curve, and its hash."""

_MAXIMUM_FILE_BYTES = 1 << 17


@dataclass(frozen=True)
class Signature:
    """A signature for Manta: the key's MD5 fingerprint, the algorithm, and the bytes."""

    fingerprint: str
    algorithm: str
    value: bytes


class Key(Protocol):
    """A private key, in a file or with an agent."""

    def sign(self, message: bytes) -> Signature:
        """Return the signature of `message`. May block."""


@dataclass(frozen=True)
class KeyId:
    """The fingerprint of a key in the options: `MD5:aa:bb:…`, `aa:bb:…` or `SHA256:…`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> KeyId:
        """Parse a fingerprint as ssh-keygen shows it. Raises ValueError."""
        if re.fullmatch(r"(MD5:)?[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){15}", text):
            return cls(text.removeprefix("MD5:").lower())
        if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", text):
            return cls(text.rstrip("="))
        raise ValueError("not a fingerprint, such as aa:bb:… or SHA256:…: run ssh-keygen -l -f FILE to see it")

    def matches(self, public: bytes) -> bool:
        """Return whether this is the fingerprint of a public key, which is in SSH's binary form."""
        sha256 = base64.b64encode(hashlib.sha256(public).digest()).decode("ascii").rstrip("=")
        return self.text in {md5_fingerprint(public), f"SHA256:{sha256}"}


def md5_fingerprint(public: bytes) -> str:
    """Return the MD5 fingerprint, by which Manta identifies a key."""
    return hashlib.md5(public, usedforsecurity=False).digest().hex(":")


class FileKey:
    """A private key in memory."""

    def __init__(self, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        self.public = base64.b64decode(line.split()[1])
        self.fingerprint = md5_fingerprint(self.public)
        self._private = private

    def sign(self, message: bytes) -> Signature:
        """Sign with the algorithm that Manta requires for this type of key."""
        private = self._private
        if isinstance(private, rsa.RSAPrivateKey):
            return Signature(self.fingerprint, "rsa-sha256", private.sign(message, padding.PKCS1v15(), SHA256()))
        algorithm, hash = CURVES[private.curve.name]
        return Signature(self.fingerprint, algorithm, private.sign(message, ec.ECDSA(hash)))


def read_key(path: str, passphrase: SecretStr | None) -> FileKey:
    """Read a private key in PEM or OpenSSH format. Raises ValueError with advice."""
    try:
        with Path(path).open("rb") as file:
            body = file.read(_MAXIMUM_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in body else load_pem_private_key
    try:
        private = load(body, passphrase.get_secret_value().encode() if passphrase else None)
    except UnsupportedAlgorithm as error:
        raise ValueError(f"{path} has an unknown type or encryption: convert it with ssh-keygen -p -m PEM") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} {_meaning(str(error), passphrase)}") from error
    if isinstance(private, rsa.RSAPrivateKey):
        return FileKey(private)
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES:
        return FileKey(private)
    raise ValueError(f"{path} has a type of key that Manta does not accept: use an RSA or ECDSA key")


def _meaning(reason: str, passphrase: SecretStr | None) -> str:
    """Return what an error of cryptography means. Its type depends on the version and on the key's format."""
    if passphrase:
        locked = "not encrypted" not in reason
        return "does not open with key_passphrase" if locked else "is not encrypted: remove key_passphrase"
    locked = "is encrypted" in reason or "password-protected" in reason
    return "is encrypted: set key_passphrase" if locked else "is not a private key in PEM or OpenSSH format"
