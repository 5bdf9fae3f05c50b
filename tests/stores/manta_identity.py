"""Authentication of the simulated Manta: accounts, users, roles, and signatures verified with real public keys."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

CLOCK_SKEW_S = 300
PRIVATE = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Refused(Exception):  # noqa: N818  # an answer, not a fault of the double
    """An error response with a code of Manta."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class User:
    """An account, or a user of one: its keys by MD5 fingerprint, and the roles that it may assume."""

    keys: dict[str, object] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()


def public_of(private: PRIVATE) -> bytes:
    """Return the public key in SSH's binary form."""
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def md5_id(private: PRIVATE) -> str:
    """Return the fingerprint of a key as Manta has it."""
    return hashlib.md5(public_of(private)).digest().hex(":")


def sha256_id(private: PRIVATE) -> str:
    """Return a key's fingerprint as ssh-keygen shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_of(private)).digest()).decode().rstrip("=")


def write_key(
    private: PRIVATE, path: Path, form: PrivateFormat = PrivateFormat.TraditionalOpenSSL, passphrase: str = ""
) -> Path:
    """Write a private key and its public key, as ssh-keygen does."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    path.write_bytes(private.private_bytes(Encoding.PEM, form, encryption))
    path.chmod(0o600)
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(f"{path.name}.pub").write_bytes(line + b" test\n")
    return path


def verify(users: dict[str, User], method: str, target: str, headers: dict[str, str]) -> str:
    """Return the identity that signed a request, `/account` or `/account/user`. Raises Refused."""
    scheme, _, rest = headers["authorization"].partition(" ")
    if scheme.lower() != "signature":
        raise Refused(403, "AuthorizationSchemeNotAllowed", f"{scheme} is not allowed (use 'signature')")
    given = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if "date" not in headers:
        raise Refused(400, "InvalidHeader", "Invalid Signature Authorization header: date was not in the request")
    skew_s = abs(time.time() - parsedate_to_datetime(headers["date"]).timestamp())
    if skew_s > CLOCK_SKEW_S:
        message = f"clock skew of {skew_s}s was greater than {CLOCK_SKEW_S}s"
        raise Refused(400, "InvalidHeader", f"Invalid Signature Authorization header: {message}")
    match = re.fullmatch(r"(/[^/]+(?:/[^/]+)?)/keys/([^/]+)", given.get("keyId", ""))
    if match is None:
        raise Refused(403, "InvalidKeyId", "the KeyId token you provided is invalid")
    who, fingerprint = match.groups()
    if who not in users:
        code = "UserDoesNotExist" if who.count("/") > 1 else "AccountDoesNotExist"
        raise Refused(403, code, f"{who[1:]} does not exist")
    key = users[who].keys.get(fingerprint)
    if key is None:
        raise Refused(403, "KeyDoesNotExist", f"{who}/keys/{fingerprint} does not exist")
    _check(key, given, _signed_text(given, method, target, headers))
    return who


def _signed_text(given: dict[str, str], method: str, target: str, headers: dict[str, str]) -> bytes:
    lines = []
    for name in given.get("headers", "date").split():
        value = f"{method.lower()} {target}" if name == "(request-target)" else headers.get(name, "")
        lines.append(f"{name}: {value}")
    return "\n".join(lines).encode()


def _check(key: object, given: dict[str, str], text: bytes) -> None:
    signature, algorithm = base64.b64decode(given["signature"]), given["algorithm"].lower()
    hash = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}.get(algorithm.partition("-")[2])
    if hash is None:
        raise Refused(401, "InvalidAlgorithm", f"{algorithm} is not a supported signing algorithm")
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm.startswith("rsa-"):
            key.verify(signature, text, padding.PKCS1v15(), hash)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm.startswith("ecdsa-"):
            key.verify(signature, text, ec.ECDSA(hash))
        else:
            raise InvalidSignature
    except InvalidSignature:
        message = "The signature we calculated does not match the one you sent"
        raise Refused(403, "InvalidSignature", message) from None
